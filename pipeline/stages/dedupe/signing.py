"""How texts were signed: the description that travels with band keys, so that unequal ones never meet."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import pyarrow as pa

from kakehi.filters.duplicates.minhash import Scheme, Signing
from kakehi.filters.duplicates.shingles import Shingling, Unit
from kakehi.filters.normalisation.normalise import normalise
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.storage.checked import CheckedFile
from kakehi.tokenizer.words import segment

SIGNED: Final = b"kakehi.signed"

#: How far texts are levelled before they are cut into shingles; `training` is how documents are stored.
Level = Literal["key", "training"]

Preset = Literal["swallow", "refinedweb", "fineweb2", "llmjp-v4"]


class Shape(NamedTuple):
    """The shingling, bands and rows that a preset stands for."""

    unit: Unit
    ngram: int
    bands: int
    rows: int
    scheme: Scheme


#: Of the papers and configurations named, with our shingle hashes and permutations. RefinedWeb's shingles are English
#: words; we take characters, as for Swallow. Words are those of MeCab with UniDic (unidic-lite): FineWeb-2 uses spaCy's
#: Japanese, LLM-jp the same through datatrove.
PRESETS: Final[Mapping[str, Shape]] = {
    "swallow": Shape("characters", 5, 40, 20, "fss"),
    "refinedweb": Shape("characters", 5, 450, 20, "fss"),
    "fineweb2": Shape("words", 5, 14, 8, "affine32"),
    "llmjp-v4": Shape("words", 5, 20, 10, "affine32"),
}


class Signed(NamedTuple):
    """All that decides what keys mean, as it travels with them."""

    unit: Unit
    ngram: int
    level: Level
    scheme: Scheme
    bands: int
    rows: int
    seed: int

    @property
    def shingling(self) -> Shingling:
        """How texts become sets."""
        return Shingling(unit=self.unit, ngram=self.ngram, cut=segment if self.unit == "words" else None)

    @property
    def signing(self) -> Signing:
        """How sets become keys."""
        return Signing(
            shingling=self.shingling, scheme=self.scheme, bands=self.bands, rows=self.rows, seed=self.seed
        )

    def schema(self) -> pa.Schema:
        """Give the schema of the table of keys, which carries this."""
        keys = [pa.field(f"key_{band}", pa.uint64()) for band in range(self.bands)]
        return pa.schema(keys, metadata={SIGNED: json.dumps(self._asdict(), sort_keys=True)})


def comparable(column: pa.Array, level: Level) -> pa.Array:
    """Level texts before they are cut into shingles; at `training` they stay as they are stored."""
    return normalise(column, "key") if level == "key" else column


def read_signed(paths: Sequence[Path]) -> Signed:
    """Read how the keys of some tables, one at least, were signed.

    Raises:
        DataError: they were not all signed alike.
    """
    found = {path: _carried(path) for path in paths}
    first, said = next(iter(found.items()))
    for path, other in found.items():
        refuse_unlike(f"{first} and {path}", said, other)
    return Signed(**said)


def refuse_unlike(where: str, one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Refuse keys that were signed unlike each other.

    Raises:
        DataError: with all that differs.
    """
    differ = [f"{name} {one[name]!r} and {other[name]!r}" for name in one if one[name] != other[name]]
    if differ:
        raise DataError(
            f"{where}: keys were signed unlike each other: {', '.join(differ)}",
            hint="keys of one kind meet; sign both with the same parameters",
        )


def _carried(path: Path) -> dict[str, Any]:
    carried = (CheckedFile(path).schema_arrow.metadata or {}).get(SIGNED)
    if carried is None:
        raise DataError(
            f"{path}: does not say how its keys were signed", hint="remove it and run again: it is made anew"
        )
    said: dict[str, Any] = json.loads(carried)
    return said
