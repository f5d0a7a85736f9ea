"""sign: text to the MinHash band keys by which look-alikes find each other.

Row-wise over every document, not only over one of each exact group as the design first had it: signing is 1 % of the
cost, and so a new input file signs its own shard and no other. Equal texts have equal keys; `pair` takes one of each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from kakehi.filters.duplicates.bands import Bands, best_bands, caught
from kakehi.filters.duplicates.minhash import Scheme, band_keys
from kakehi.filters.duplicates.shingles import Unit
from kakehi.filters.texts import view
from kakehi.pipeline.stages.dedupe.signing import PRESETS, Level, Preset, Signed, comparable
from kakehi.pipeline.stages.stage import Stage


class Target(BaseModel):
    """What bands shall catch: so many of the pairs of a similarity, from so many hashes."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    similarity: Annotated[float, Field(gt=0, lt=1)]
    recall: Annotated[float, Field(ge=0, lt=1)] = 0.0
    hashes: Annotated[int, Field(ge=2, le=10_000)] = 128

    @model_validator(mode="after")
    def _within_reach(self) -> Target:
        self.chosen()
        return self

    def chosen(self) -> Bands:
        """Choose the bands and rows that catch it."""
        return best_bands(self.similarity, hashes=self.hashes, recall=self.recall)


def sign(
    batch: pa.RecordBatch,
    *,
    preset: Preset | None = None,
    target: Target | None = None,
    unit: Unit = "characters",
    ngram: Annotated[int, Field(ge=1, le=64)] = 5,
    level: Level = "key",
    scheme: Scheme = "affine32",
    bands: Annotated[int, Field(ge=1, le=1000)] = 14,
    rows: Annotated[int, Field(ge=1, le=1000)] = 8,
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 1,
) -> pa.RecordBatch:
    """Give each text one 64-bit key a band.

    Args:
        batch: `text`.
        preset: unit, ngram, scheme, bands and rows as somebody else has them, instead of those below.
        target: what bands and rows shall catch, instead of them.
        unit: what a shingle is made of; words are those of MeCab with UniDic.
        ngram: units (code points or words) a shingle.
        level: how far texts are levelled before.
        scheme: of the permutations.
        bands: keys a document; more catch less similar pairs.
        rows: hashes a key; more miss less similar pairs.
        seed: of the permutations.
    """
    signed = _signed(preset, target, Signed(unit, ngram, level, scheme, bands, rows, seed))
    keys = band_keys(view(comparable(batch.column("text"), level)), signed.signing)
    return pa.RecordBatch.from_arrays(
        [pa.array(keys[:, band]) for band in range(signed.bands)], schema=signed.schema()
    )


def _signed(preset: Preset | None, target: Target | None, plain: Signed) -> Signed:
    if preset is not None:
        plain = plain._replace(**PRESETS[preset]._asdict())
    if target is not None:
        plain = plain._replace(**target.chosen()._asdict())
    return plain


def signed_by(parameters: Mapping[str, Any]) -> Signed:
    """Say how texts are signed under these parameters."""
    given = {name: parameters[name] for name in Signed._fields}
    target = parameters["target"]
    return _signed(parameters["preset"], Target(**target) if target else None, Signed(**given))


def describe(parameters: Mapping[str, Any]) -> str:
    """Draw the share of pairs that bands catch, from similarity 0.5 to 1, and say it for three."""
    signed = signed_by(parameters)
    curve = caught(np.linspace(0.5, 1, 11), signed.bands, signed.rows)
    drawn = "".join("▁▂▃▄▅▆▇█"[min(7, int(8 * share))] for share in curve)
    shares = " / ".join(
        f"{100 * share:.1f}" for share in caught(np.array([0.7, 0.8, 0.9]), signed.bands, signed.rows)
    )
    return (
        f"{signed.bands} × {signed.rows} {signed.scheme} of {signed.ngram} {signed.unit}, similarity 0.5 {drawn} 1: "
        f"{shares} % of pairs at 0.7 / 0.8 / 0.9 meet"
    )


def _libraries(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    preset = parameters["preset"]
    unit = PRESETS[preset].unit if preset else parameters["unit"]
    return (
        "datasketch",
        "numpy",
        *(["scipy"] if parameters["target"] else []),  # datasketch integrates by it to choose bands
        *(["fugashi", "unidic-lite"] if unit == "words" else []),
    )


def _kernels(parameters: Mapping[str, Any]) -> tuple[str, ...]:
    shape = PRESETS[parameters["preset"]] if parameters["preset"] else None
    scheme, unit = (shape.scheme, shape.unit) if shape else (parameters["scheme"], parameters["unit"])
    return (
        *(["normalise"] if parameters["level"] == "key" else []),
        scheme,
        *(["words"] if unit == "words" else []),
    )


STAGE = Stage(
    run=sign,
    shape="rows",
    reads=("documents",),
    writes="keys",
    version=3,
    libraries=_libraries,
    columns=("text",),
    describe=describe,
    kernels=_kernels,
)
