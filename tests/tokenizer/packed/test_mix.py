"""Shares come to whole rows, to the row."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehi.tokenizer.packed.mix import Lot, Share, epochs_of, held_out_below, rows_of_epochs
from kakehi.tokenizer.packed.rows import count_pieces, plan_rows


def test_tokens_and_epochs_are_exact() -> None:
    """Tokens over what there is; epochs as they are; nothing of a source that is left out."""
    shares = {"a": Share(tokens=250), "b": Share(epochs=Fraction(1, 3)), "c": Share(epochs=Fraction(0))}
    assert epochs_of({"a": Share(tokens=5000)}, {"a": 5}) == {"a": 1000}
    found = epochs_of(shares, {"a": 100, "b": 7, "c": 0})
    assert found == {"a": Fraction(5, 2), "b": Fraction(1, 3), "c": 0}


def test_weights_use_the_scarcest_source_once() -> None:
    """All others in proportion to it; a weight of nothing takes nothing."""
    weights = {"a": Fraction(3), "b": Fraction(1), "c": Fraction(0)}
    found = epochs_of({k: Share(weight=w) for k, w in weights.items()}, {"a": 600, "b": 1000, "c": 5})
    assert found == {"a": 1, "b": Fraction(1, 5), "c": 0}
    assert found["a"] * 600 == 3 * found["b"] * 1000


@pytest.mark.parametrize(
    ("shares", "tokens", "fault"),
    [
        ({"a": Share(weight=Fraction(1)), "b": Share(tokens=1)}, {"a": 1, "b": 1}, "weights beside tokens"),
        ({"a": Share(tokens=5)}, {"a": 0}, "mix.a: got a source without a token"),
        (
            {"a": Share(tokens=5001)},
            {"a": 5},
            "mix.a: got 5,001 tokens of a source that has 5, wanted 1000 epochs",
        ),
        ({"a": Share(weight=Fraction(1))}, {"a": 0}, "mix.a: got a source without a token"),
    ],
)
def test_shares_that_cannot_be_are_refused(shares, tokens, fault: str) -> None:
    """The message names the source."""
    with pytest.raises(ValueError, match=fault):
        epochs_of(shares, tokens)


@given(st.fractions(0, 5), st.integers(0, 1000))
def test_epochs_come_to_the_nearest_row(epochs: Fraction, rows: int) -> None:
    """Whole epochs take all, the last one what is left; together within half a row of what was asked."""
    taken = rows_of_epochs(epochs, rows)
    assert abs(sum(taken) - epochs * rows) <= Fraction(1, 2)
    assert all(count == rows for count in taken[:-1])
    assert all(0 <= count <= rows for count in taken)


@pytest.mark.parametrize("taken", [0, 1, 7, 20])
def test_a_lot_takes_so_many_rows(taken: int) -> None:
    """Each of them with a number of its own behind the lots before it."""
    plan = plan_rows(count_pieces(np.full(20, 8), 8), packing="best-fit", seed=1, name="a")
    lot = Lot(source="a", epoch=0, plan=plan, taken=taken, first=100)
    numbers = lot.numbers_of(np.arange(20))
    assert sorted(numbers[numbers >= 0].tolist()) == list(range(100, 100 + taken))
    assert (numbers == -1).sum() == 20 - taken


def test_held_out_is_half_at_most() -> None:
    """The threshold is a share of 64 bits."""
    assert held_out_below(1, 4) == 1 << 62
    assert held_out_below(0, 0) == 0
    with pytest.raises(ValueError, match="validation_rows: got 3 tokens of a source that has 5, wanted half"):
        held_out_below(3, 5)
