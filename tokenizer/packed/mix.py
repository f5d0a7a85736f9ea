"""How much of each source is packed: weights, tokens or epochs to whole rows, in exact integers. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Final, NamedTuple

import numpy as np

from kakehi.arrays import Int64N

from .permutation import key_of, permuted
from .rows import RowPlan

MAX_EPOCHS: Final = 1000
"""A share beyond it is a slip, and would take a plan of rows for every epoch."""


class Share(NamedTuple):
    """What a manifest asks of one source: one of the three.

    Args:
        tokens: so many, over as many epochs as that takes.
        epochs: each document so often; a part of an epoch is a part of its rows.
        weight: in proportion to the other sources' weights, as much as the scarcest of them allows in one epoch.
    """

    tokens: int | None = None
    epochs: Fraction | None = None
    weight: Fraction | None = None


def epochs_of(shares: Mapping[str, Share], tokens: Mapping[str, int]) -> dict[str, Fraction]:
    """Turn shares into epochs.

    Args:
        shares: by source; all of them weights, or none.
        tokens: that each source has.

    Raises:
        ValueError: weights beside other shares; tokens asked of a source that has none, or over `MAX_EPOCHS` times
            as many as it has.
    """
    weighted = {name: share.weight for name, share in shares.items() if share.weight is not None}
    if weighted and len(weighted) < len(shares):
        others = sorted(shares.keys() - weighted.keys())
        raise ValueError(f"mix: got weights beside tokens or epochs of {others}, wanted all or none")
    for name, share in shares.items():
        if (share.tokens or share.weight) and not tokens[name]:
            raise ValueError(f"mix.{name}: got a source without a token, wanted some to take a share of")
    unit = min((Fraction(tokens[name]) / w for name, w in weighted.items() if w), default=Fraction(0))
    found = {}
    for name, share in shares.items():
        wanted = unit * share.weight if share.weight is not None else Fraction(share.tokens or 0)
        found[name] = share.epochs if share.epochs is not None else wanted / max(tokens[name], 1)
        if share.tokens and found[name] > MAX_EPOCHS:
            raise ValueError(
                f"mix.{name}: got {share.tokens:,} tokens of a source that has {tokens[name]:,}, "
                f"wanted {MAX_EPOCHS} epochs of it at most\nhint: ask for fewer tokens"
            )
    return found


@dataclass(frozen=True, kw_only=True)
class Lot:
    """Rows of one source in one epoch, and how many of them are taken.

    Args:
        source: name.
        epoch: from 0.
        plan: of all its rows.
        taken: how many rows of the plan, chosen by its key.
        first: number of its first row among those of all lots.
        held_out: whether it is of the documents held out for validation.
    """

    source: str
    epoch: int
    plan: RowPlan
    taken: int
    first: int
    held_out: bool = False

    def numbers_of(self, rows: Int64N) -> Int64N:
        """Number rows of the plan among all lots; -1 for those not taken. int64[n]."""
        numbers = np.full(len(rows), -1, np.int64)
        planned = np.flatnonzero(rows < self.plan.rows)
        place = permuted(rows[planned].astype(np.uint64), self.plan.rows, key_of(self.plan.key, "taken"))
        taken = place < np.uint64(self.taken)
        numbers[planned[taken]] = self.first + place[taken].astype(np.int64)
        return numbers


def rows_of_epochs(epochs: Fraction, rows: int) -> list[int]:
    """Say how many of a source's rows each epoch takes, the last one the rest, to the nearest row.

    Args:
        epochs: of the source.
        rows: of the first epoch; all epochs are taken to have as many.
    """
    whole, rest = divmod(epochs, 1)
    last = int(rest * rows + Fraction(1, 2))
    return [rows] * int(whole) + ([last] if last else [])


def held_out_below(tokens: int, available: int) -> int:
    """Give the 64-bit threshold under which a document's hash holds it out, for so many tokens of those available.

    Raises:
        ValueError: more than half of them.
    """
    if 2 * tokens > available:
        raise ValueError(
            f"validation_rows: got {tokens:,} tokens of a source that has {available:,}, wanted half of it at most"
            "\nhint: lower validation_rows"
        )
    return (tokens << 64) // available if available else 0
