"""screen: signals and thresholds to verdicts. Nothing is dropped: an opinion is a column."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Final, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kakehi.pipeline.stage import Stage

VERDICT: Final = pa.schema(
    [
        pa.field("verdict", pa.string()),  # the first objection, or null
        pa.field("objections", pa.list_(pa.string()), nullable=False),  # all of them, in the rules' order
    ]
)


class Threshold(BaseModel):
    """What a signal must be for a document to stay.

    Args:
        signal: its column.
        min: smallest value that stays, or None.
        max: largest value that stays, or None.
        one_of: values that stay (`in` in the manifest), or None.
        missing: what to do with a document whose signal is null or NaN.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)
    signal: str
    min: float | None = None
    max: float | None = None
    one_of: list[str] | None = Field(default=None, alias="in")
    missing: Literal["drop", "keep"] = "drop"

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.min is None and self.max is None and self.one_of is None:
            raise ValueError(f"threshold on {self.signal!r} has no min, max or in")
        if self.one_of is not None and (self.min is not None or self.max is not None):
            raise ValueError(f"threshold on {self.signal!r} has both in and min or max")
        return self

    def objections(self, values: pa.Array) -> list[tuple[str, pa.Array]]:
        """Name each rule of this threshold and say, row by row, whether it objects."""
        lost = pc.is_null(values, nan_is_null=True)
        rules = [
            ("min", self.min is not None and pc.less(values, self.min)),
            ("max", self.max is not None and pc.greater(values, self.max)),
            (
                "in",
                self.one_of is not None and pc.invert(pc.is_in(values, pa.array(self.one_of, values.type))),
            ),
        ]
        wrong = [
            (f"screen:{self.signal}.{rule}", pc.and_not(pc.fill_null(objects, False), lost))
            for rule, objects in rules
            if isinstance(objects, pa.Array)
        ]
        return [*wrong, (f"screen:{self.signal}.missing", lost)] if self.missing == "drop" else wrong


def from_short(value: object) -> object:
    """Read the manifest's `{kana_share: {min: 0.1}}`; leave all else to validation."""
    if isinstance(value, Mapping) and len(value) == 1 and "signal" not in value:
        [(signal, bounds)] = value.items()
        return {"signal": signal, **bounds} if isinstance(bounds, Mapping) else value
    return value


def screen(
    batch: pa.RecordBatch, *, rules: list[Annotated[Threshold, BeforeValidator(from_short)]]
) -> pa.RecordBatch:
    """Object to documents whose signals are outside the thresholds, or to which the gate objected.

    Args:
        batch: `gate` and the signals.
        rules: in order; the first that objects is the verdict.
    """
    gate = batch.column("gate")
    found = [
        (name, pc.equal(gate, name).fill_null(False)) for name in sorted(set(gate.drop_null().to_pylist()))
    ]
    for rule in rules:
        found += rule.objections(batch.column(rule.signal))
    verdict: pa.Array = pa.nulls(batch.num_rows, pa.string())
    for name, objects in reversed(found):
        verdict = pc.if_else(objects, name, verdict)
    return pa.RecordBatch.from_arrays([verdict, _listed(found, batch.num_rows)], schema=VERDICT)


def _listed(found: list[tuple[str, pa.Array]], rows: int) -> pa.Array:
    """List, row by row, the names of the rules that object."""
    hits = np.zeros((rows, len(found)), bool)
    for index, (_, objects) in enumerate(found):
        hits[:, index] = objects.to_numpy(zero_copy_only=False)
    names = pa.array([name for name, _ in found], pa.string())
    offsets = np.concatenate([[0], np.cumsum(hits.sum(axis=1))]).astype(np.int32)
    values = names.take(pa.array(np.nonzero(hits)[1], pa.int64()))
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=VERDICT.field("objections").type)


STAGE = Stage(
    run=screen,
    shape="rows",
    reads=("documents", "signals"),
    writes="verdict",
    version=1,
    columns=("gate", "characters"),
    whole="rules",
)
