"""Sequences that are pieces: lengths that add up to the rows, and the piece that each row begins with."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.tokenizer.packed import maps, pieces
from kakehi.tokenizer.packed.indexed import write_index
from kakehi.tokenizer.packed.lanes import Lanes
from kakehi.tokenizer.packed.maps import Maps
from kakehi.tokenizer.packed.pieces import PieceIndex, open_pieces, sequence_lengths

S = 8

#: Rows as the lengths of their pieces: some full, some with room at the end, some (as the guard) without a piece.
rows_of_pieces = st.lists(
    st.lists(st.integers(1, S), max_size=S).map(
        lambda lengths: [n for i, n in enumerate(lengths) if sum(lengths[: i + 1]) <= S]
    ),
    min_size=1,
    max_size=12,
)


def slow_lengths(rows: list[list[int]]) -> list[int]:
    """Walk through the rows: what is left of one goes to its last piece, and is the only one where there is none."""
    made: list[int] = []
    for row in rows:
        made += [*row[:-1], S - sum(row[:-1])]
    return made


def slow_begins(rows: list[list[int]]) -> list[int]:
    """Count the sequences in front of each row."""
    return [sum(max(1, len(row)) for row in rows[:number]) for number in range(len(rows))]


def firsts_of(rows: list[list[int]]) -> list[int]:
    return [number * S + sum(row[:i]) for number, row in enumerate(rows) for i in range(len(row))]


def cut(values: list[int], places: list[int]) -> list[np.ndarray]:
    """Cut a list into blocks, as row groups of a table do."""
    return [
        np.array(part, np.int64) for part in np.split(np.array(values, np.int64), sorted(places)) if len(part)
    ]


@given(rows_of_pieces, st.lists(st.integers(0, 40), max_size=4))
def test_lengths_agree_with_the_slow_twin(rows, places) -> None:
    """However the table of pieces is cut into blocks; filling is of the last piece, and no sequence is of two rows."""
    blocks = cut(firsts_of(rows), [place for place in places if place <= len(firsts_of(rows))])
    got = [int(n) for block in sequence_lengths(blocks, len(rows) * S, S) for n in block]
    assert got == slow_lengths(rows)


@given(rows_of_pieces, st.integers(1, 5), st.data())
def test_rows_begin_where_the_slow_twin_says(tmp_path_factory, rows, block, data) -> None:
    """Any run of rows, in blocks of any size."""
    home = tmp_path_factory.mktemp("pieces", numbered=True)
    made = written(home, rows)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pieces, "_BLOCK", block)
        index = PieceIndex(made, len(rows), S)
        first = data.draw(st.integers(0, len(rows)))
        count = data.draw(st.integers(0, len(rows) - first))
        assert index.sequences == len(slow_lengths(rows))
        assert index.first_of(first, count).tolist() == slow_begins(rows)[first : first + count]


def written(home: Path, rows: list[list[int]]) -> Path:
    prefix = home / "c_text_document"
    np.zeros(len(rows) * S, np.uint16).tofile(home / "c_text_document.bin")
    firsts = [np.array(firsts_of(rows), np.int64)] if firsts_of(rows) else []
    write_index(prefix, np.dtype("<u2"), lambda: sequence_lengths(firsts, len(rows) * S, S))
    return prefix


def test_an_index_of_tiles_is_none_of_pieces(tmp_path: Path) -> None:
    """Rows that lie inside a sequence can't be pointed at; the manifest says which of the two an index is."""
    prefix = tmp_path / "c_text_document"
    np.zeros(4 * S, np.uint16).tofile(tmp_path / "c_text_document.bin")
    write_index(prefix, np.dtype("<u2"), lambda: [np.array([2 * S, S, S])])
    about = {"sequence_tokens": S, "binaries": {"c_text_document": {"rows": 4}}}
    assert open_pieces(prefix, about) is None
    with pytest.raises(
        ValueError, match=r"\.idx: got 3 rows of 8 tokens that begin with a sequence, wanted 4"
    ):
        open_pieces(prefix, {**about, "sequences": "pieces"})


def slow_order(lanes: int, tile_rows: int, length: int) -> list[int]:
    """List the row of every sample: tile sets in the file, in each the lanes, in each the times."""
    stored = [
        time * lanes + lane
        for first in range(0, length, tile_rows)
        for lane in range(lanes)
        for time in range(first, min(first + tile_rows, length))
    ]
    return [stored.index(sample) for sample in range(len(stored))]


@settings(max_examples=60)
@given(
    lanes=st.integers(1, 4),
    tile_rows=st.integers(1, 4),
    length=st.integers(1, 5),
    spare=st.integers(0, 3),
    more=st.integers(-3, 9),
    seed=st.none() | st.integers(0, 9),
    data=st.data(),
)
def test_maps_point_where_the_slow_twin_does(
    tmp_path_factory, lanes, tile_rows, length, spare, more, seed, data
) -> None:
    """With and without spare rows and low last tiles, in stock order, and for validation that goes round."""
    count = lanes * length + (spare if lanes > 1 and seed is None else 0)  # stock order takes every row
    lists = st.lists(st.integers(1, S), min_size=1, max_size=3).filter(lambda lengths: sum(lengths) <= S)
    rows = [*data.draw(st.lists(lists, min_size=count, max_size=count)), []]
    layout = Lanes(lanes=lanes, tile_rows=tile_rows, samples=lanes * length, rows=len(rows))
    prefix = written(tmp_path_factory.mktemp("maps", numbered=True), rows)
    order = slow_order(lanes, tile_rows, length)
    samples = max(1, len(order) + (min(more, 0) if seed is not None else more))
    if seed is not None:  # as Megatron shuffles rows, and then samples
        state, numbers, places = np.random.RandomState(seed), np.arange(len(order)), np.arange(len(order))
        layout = Lanes(lanes=1, tile_rows=1, samples=lanes * length, rows=len(rows))
        state.shuffle(numbers)
        state.shuffle(places)
        order = numbers[places].tolist()
    wanted = Maps(
        prefix.name,
        layout,
        S,
        samples,
        seed or 0,
        "train" if seed is not None else "valid",
        seed is not None,
        PieceIndex(prefix, len(rows), S),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(maps, "_BLOCK", data.draw(st.integers(1, 7)))
        got = {
            name: np.concatenate([values for _, values in array.blocks()])
            for name, array in maps.arrays(wanted).items()
        }
    begins = slow_begins(rows)
    assert got["document"].tolist() == list(range(sum(max(1, len(row)) for row in rows)))
    entries = max(samples, len(order))
    first = [begins[row] if row < len(rows) else 0 for row in range(entries + 1)]
    assert got["sample"].tolist() == [[piece, 0] for piece in first]
    assert got["shuffle"].tolist() == [order[k % len(order)] for k in range(entries)]
    for k in range(min(samples, len(order))):  # what a reader takes: S tokens and one, from a row's first
        (a, _), (z, _) = got["sample"][got["shuffle"][k]], got["sample"][got["shuffle"][k] + 1]
        assert sum(slow_lengths(rows)[a:z]) == S
