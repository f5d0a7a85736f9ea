"""Rows are full, documents whole, and the plan over counts is best-fit decreasing."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kakehi.tokenizer.packed.rows import Pieces, count_cut, count_pieces, plan_rows

Packings = pytest.mark.parametrize("packing", ["best-fit", "concat"])


def slow_pieces(lengths: list[int], size: int) -> list[int]:
    """Cut documents longer than a row."""
    return [min(size, n - start) for n in lengths for start in range(0, n, size)]


def slow_best_fit(pieces: list[int], size: int) -> list[int]:
    """Put each piece, the longest first, into the fullest row that has room; give what is left in each row."""
    left: list[int] = []
    for piece in sorted(pieces, reverse=True):
        fitting = [room for room in left if room >= piece]
        if fitting:
            left[left.index(min(fitting))] -= piece
        else:
            left.append(size - piece)
    return sorted(left)


def placed(lengths: list[int], size: int, packing, *, cuts: int = 1, seed: int = 1, epoch: int = 0):
    """Place documents in several parts, as several workers do; give the plan and all pieces."""
    every = np.array(lengths, np.int64)
    plan = plan_rows(count_pieces(every, size), packing=packing, seed=seed, name="s", epoch=epoch)
    parts, before, start = [], np.zeros(size + 1, np.int64), 0
    for part in np.array_split(every, cuts):
        found = plan.place(part, before)
        parts.append(found._replace(document=found.document + start))
        before, start = before + count_pieces(part, size), start + len(part)
    return plan, Pieces(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def edges(size: int) -> st.SearchStrategy[list[int]]:
    """Give lengths at all the edges, and others."""
    return st.lists(st.sampled_from([0, 1, size - 1, size, size + 1, 10 * size]) | st.integers(0, 3 * size))


@Packings
@given(st.data(), st.integers(2, 40), st.integers(1, 4))
def test_every_token_has_one_place(packing, data, size: int, cuts: int) -> None:
    """Pieces of a document follow each other from first to last token; no row is too full, or of end marks alone."""
    lengths = data.draw(edges(size))
    plan, pieces = placed(lengths, size, packing, cuts=cuts)
    parts: dict[int, list[tuple[int, int]]] = {}
    for document, start, length in zip(pieces.document, pieces.start, pieces.length, strict=True):
        parts.setdefault(int(document), []).append((int(start), int(length)))
    for number, tokens in enumerate(lengths):
        at = 0
        for start, length in parts.get(number, []):
            assert start == at
            assert 1 <= length <= size
            at += length
        assert at == tokens
        if packing == "best-fit" and 0 < tokens <= size:
            assert len(parts[number]) == 1
    left_out = pieces.row >= plan.rows
    assert (pieces.length[left_out] == 1).all()
    assert all(pieces.start[n] + 1 == lengths[pieces.document[n]] for n in np.flatnonzero(left_out))
    row, length = pieces.row[~left_out], pieces.length[~left_out]
    filled = np.bincount(row, weights=length, minlength=plan.rows)
    assert len(filled) == plan.rows
    assert plan.tokens == sum(lengths) == filled.sum() + left_out.sum()
    assert ((filled > 1) & (filled <= size)).all()
    if packing == "concat":
        assert (filled[:-1] == size).all()
        assert left_out.sum() <= 1
    else:
        assert {*row[length > 1].tolist()} == {*range(plan.rows)}
    assert len({*zip(pieces.row.tolist(), pieces.order.tolist(), strict=True)}) == len(pieces.row)


@given(st.data(), st.integers(2, 40))
@example(None, 8)
def test_best_fit_agrees_with_the_plain_algorithm(data, size: int) -> None:
    """As many rows, and the same room left in them."""
    lengths = data.draw(edges(size)) if data else [5, 3, 4, 4, 2, 6, 80, 7, 1, 0]
    _, pieces = placed(lengths, size, "best-fit")
    filled = np.bincount(pieces.row, weights=pieces.length).astype(int)
    assert sorted(size - filled) == slow_best_fit(slow_pieces(lengths, size), size)


@given(st.data(), st.integers(2, 40))
def test_pieces_are_counted_by_length(data, size: int) -> None:
    """Of each length as many as cutting every document by hand gives."""
    lengths = data.draw(edges(size))
    counts = count_pieces(np.array(lengths, np.int64), size)
    wanted = Counter(slow_pieces(lengths, size))
    assert {n: c for n, c in enumerate(counts.tolist()) if c} == wanted


@Packings
@given(st.data(), st.integers(2, 40), st.integers(1, 4))
def test_parts_do_not_show_in_what_is_cut(packing, data, size: int, cuts: int) -> None:
    """A document counts as cut where it has pieces in several rows, or several chunks."""
    lengths = data.draw(edges(size))
    every = np.array(lengths, np.int64)
    plan, pieces = placed(lengths, size, packing, cuts=cuts)
    before, cut = np.zeros(size + 1, np.int64), 0
    for part in np.array_split(every, cuts):
        cut += count_cut(part, before, packing=packing, key=plan.key)
        before = before + count_pieces(part, size)
    assert cut == sum(count > 1 for count in Counter(pieces.document.tolist()).values())


@Packings
def test_where_a_document_goes_depends_on_seed_and_epoch(packing) -> None:
    """Every epoch has its own rows; the same seed has the same ones."""
    lengths = np.random.default_rng(0).integers(1, 200, 300).tolist()
    first = placed(lengths, 64, packing)[1]
    assert np.array_equal(first.row, placed(lengths, 64, packing)[1].row)
    for other in (placed(lengths, 64, packing, epoch=1)[1], placed(lengths, 64, packing, seed=2)[1]):
        assert not np.array_equal(first.row[:100], other.row[:100])


@Packings
def test_neighbours_of_one_length_do_not_meet(packing) -> None:
    """A thousand documents of half a row: nearly none shares its row with the one beside it."""
    _, pieces = placed([32] * 1000, 64, packing)
    together = np.count_nonzero(pieces.row[::2] == pieces.row[1::2])
    assert together < 20


def test_the_longest_piece_is_not_always_first() -> None:
    """Best fit places by length; the order inside a row is shuffled."""
    lengths = np.random.default_rng(0).integers(1, 200, 2000)
    _, pieces = placed(lengths.tolist(), 256, "best-fit")
    order = np.lexsort((pieces.order, pieces.row))
    first = np.flatnonzero(np.diff(pieces.row[order], prepend=-1))
    longest = [max(part) for part in np.split(pieces.length[order], first[1:])]
    assert 0.1 < np.mean(pieces.length[order][first] == longest) < 0.9


@Packings
def test_nothing_gives_no_row(packing) -> None:
    """No document, and only empty ones."""
    for lengths in ([], [0, 0]):
        plan, pieces = placed(lengths, 8, packing)
        assert plan.rows == len(pieces.row) == 0
