"""Errors keep their hint and exit code wherever they travel."""

import pickle

import pytest

from kakehi.pipeline.errors import (
    ContractError,
    CorpusError,
    DataError,
    EngineError,
    ManifestError,
    ParameterError,
)

KINDS = [
    (CorpusError, 1),
    (ManifestError, 2),
    (ParameterError, 2),
    (DataError, 3),
    (ContractError, 4),
    (EngineError, 5),
]


@pytest.mark.parametrize(("kind", "code"), KINDS)
def test_errors_survive_a_pickle(kind: type[CorpusError], code: int) -> None:
    """A worker's error arrives with its hint and exit code."""
    error = pickle.loads(pickle.dumps(kind("a.gz: broken", hint="remove it")))  # noqa: S301 - our own bytes
    assert (type(error), str(error), error.exit_code) == (kind, "a.gz: broken\nhint: remove it", code)
