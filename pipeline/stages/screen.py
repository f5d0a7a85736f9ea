"""screen: signals and thresholds to verdicts. Nothing is dropped: an opinion is a column."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import xxhash
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kakehi.pipeline.stages.stage import Stage
from kakehi.tokenizer.sampling import ranks

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
        over: value above which it stays, or None.
        under: value below which it stays, or None.
        one_of: values that stay (`in` in the manifest), or None.
        not_in: values that go, or None.
        missing: what to do with a document whose signal is null or NaN.
        keep: share of the documents objected to that stay all the same, chosen by id.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True, allow_inf_nan=False)
    signal: str
    min: float | None = None
    max: float | None = None
    over: float | None = None
    under: float | None = None
    one_of: list[str] | None = Field(default=None, alias="in")
    not_in: list[str] | None = None
    missing: Literal["drop", "keep"] = "drop"
    keep: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.bounds():
            raise ValueError(f"threshold on {self.signal!r} has none of {', '.join((*NUMBERS, *LABELS))}")
        if self.of_labels and any(getattr(self, name) is not None for name in NUMBERS):
            raise ValueError(f"threshold on {self.signal!r} has bounds of numbers and of labels")
        lows, highs = (self.min, self.over), (self.max, self.under)
        for low, high in (
            (low, high) for low in lows for high in highs if low is not None and high is not None
        ):
            if low > high or (low == high and (self.over == low or self.under == high)):
                raise ValueError(
                    f"threshold on {self.signal!r} keeps nothing: over {low:g} and under {high:g}"
                )
        return self

    @property
    def of_labels(self) -> bool:
        """Whether it is for a text signal."""
        return self.one_of is not None or self.not_in is not None

    def bounds(self) -> dict[str, Any]:
        """Give what it asks for, by the manifest's names."""
        asked = {name: getattr(self, {"in": "one_of"}.get(name, name)) for name in (*NUMBERS, *LABELS)}
        return {name: bound for name, bound in asked.items() if bound is not None}

    def objections(self, values: pa.Array, ids: pa.Array) -> dict[str, pa.Array]:
        """Name each rule of this threshold and say, row by row, whether it objects."""
        lost = pc.is_null(values, nan_is_null=True)
        found = {
            f"screen:{self.signal}.{name}": pc.and_not(
                pc.fill_null(_OBJECTS[name](values, bound), False), lost
            )
            for name, bound in self.bounds().items()
        }
        if self.missing == "drop":
            found[f"screen:{self.signal}.missing"] = lost
        return {name: self._spared(name, objects, ids) for name, objects in found.items()}

    def _spared(self, name: str, objects: pa.Array, ids: pa.Array) -> pa.Array:
        """Let some documents stay all the same, other ones for each rule."""
        if not self.keep:
            return objects
        chances = ranks(ids, xxhash.xxh3_64_intdigest(name.encode())) / 2.0**64
        return pc.and_not(objects, pa.array(chances < self.keep))


#: Bounds of numbers and of labels, in the order they speak.
NUMBERS: Final = ("min", "max", "over", "under")
LABELS: Final = ("in", "not_in")

_OBJECTS: Final[Mapping[str, Callable[[pa.Array, Any], pa.Array]]] = {
    "min": pc.less,
    "max": pc.greater,
    "over": pc.less_equal,
    "under": pc.greater_equal,
    "in": lambda values, labels: pc.invert(pc.is_in(values, pa.array(labels, values.type))),
    "not_in": lambda values, labels: pc.is_in(values, pa.array(labels, values.type)),
}


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
        batch: `id`, `gate` and the signals.
        rules: in order; the first that objects is the verdict.
    """
    found = objections(batch, rules)
    verdict: pa.Array = pa.nulls(batch.num_rows, pa.string())
    for name, objects in reversed(found.items()):
        verdict = pc.if_else(objects, name, verdict)
    return pa.RecordBatch.from_arrays([verdict, _listed(found, batch.num_rows)], schema=VERDICT)


def objections(batch: pa.RecordBatch, rules: Sequence[Threshold]) -> dict[str, pa.Array]:
    """Say of each rule, in the order they speak, to which rows it objects; rules of one name are one."""
    gate = batch.column("gate")
    found = {
        name: pc.equal(gate, name).fill_null(False) for name in sorted(set(gate.drop_null().to_pylist()))
    }
    for rule in rules:
        for name, objects in rule.objections(batch.column(rule.signal), batch.column("id")).items():
            found[name] = pc.or_(found[name], objects) if name in found else objects
    return found


def _listed(found: Mapping[str, pa.Array], rows: int) -> pa.Array:
    """List, row by row, the names of the rules that object."""
    hits = np.zeros((rows, len(found)), bool)
    for index, objects in enumerate(found.values()):
        hits[:, index] = objects.to_numpy(zero_copy_only=False)
    names = pa.array(list(found), pa.string())
    offsets = np.concatenate([[0], np.cumsum(hits.sum(axis=1))]).astype(np.int32)
    values = names.take(pa.array(np.nonzero(hits)[1], pa.int64()))
    return pa.ListArray.from_arrays(pa.array(offsets), values, type=VERDICT.field("objections").type)


STAGE = Stage(
    run=screen,
    shape="rows",
    reads=("documents", "signals"),
    writes="verdict",
    version=2,
    columns=("id", "gate", "characters"),
    whole="rules",
)
