"""Slow twins for tests: readers and rules written from the specification, importing nothing of ours."""

import struct
from collections import Counter
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np


def read_megatron(prefix: Path | str) -> list[np.ndarray]:
    """Read `PREFIX.bin` and `PREFIX.idx` by the byte table of Megatron's format: the ids of every document."""
    index = Path(f"{prefix}.idx").read_bytes()
    ids = Path(f"{prefix}.bin").read_bytes()
    assert index[:9] == b"MMIDIDX\x00\x00"
    assert struct.unpack_from("<Q", index, 9) == (1,)
    dtype = {8: np.dtype("<u2"), 4: np.dtype("<i4")}[index[17]]
    sequences, entries = struct.unpack_from("<QQ", index, 18)
    assert len(index) == 34 + 12 * sequences + 8 * entries
    lengths = struct.unpack_from(f"<{sequences}i", index, 34)
    offsets = struct.unpack_from(f"<{sequences}q", index, 34 + 4 * sequences)
    borders = struct.unpack_from(f"<{entries}q", index, 34 + 12 * sequences)
    assert borders[0] == 0
    assert borders[-1] == sequences
    expected = 0
    rows = []
    for length, offset in zip(lengths, offsets, strict=True):
        assert offset == expected
        rows.append(np.frombuffer(ids, dtype, length, offset))
        expected += length * dtype.itemsize
    assert len(ids) == expected
    return [np.concatenate([np.empty(0, dtype), *rows[a:b]]) for a, b in pairwise(borders)]


def pairs_led_slowly(members: Iterable[tuple[int, int, int]], leaders: int) -> set[tuple[int, int]]:
    """Pair rows of a large bucket with its leaders: (row, length, source) to pairs, the lower row first."""
    classes: dict[int, list[tuple[int, int, int]]] = {}
    borders = _length_borders()
    for row, size, source in members:
        step = sum(border <= size for border in borders)
        classes.setdefault(step, []).append((-size, row, source))
    chosen = {}
    for step, mine in classes.items():
        sources = {source for *_, source in mine}
        occupied = sum(step <= other <= step + 16 for other in classes)
        share = max(1, max(1, leaders // occupied) // len(sources))
        chosen[step] = [
            row for source in sources for _, row, _ in sorted(one for one in mine if one[2] == source)[:share]
        ]
    return {
        (min(row, leader), max(row, leader))
        for step, mine in classes.items()
        for _, row, _ in mine
        for leader in (one for further in range(17) for one in chosen.get(step + further, []))
        if row != leader
    }


@cache
def _length_borders() -> frozenset[int]:
    """Give where classes of length begin, the whole parts of 65/64's powers; made once: for every row it was 65 ms."""
    return frozenset(65**power // 64**power for power in range(2400))


class Row(NamedTuple):
    """A document as `keep` sees it: its group of equal texts, whether something objects, and what prefers it."""

    group: int
    objected: bool
    rank: tuple[Any, ...]


class Kept(NamedTuple):
    """What becomes of a document: verdict, whom it leaves for, how similar, and how many it stands for if it stays."""

    verdict: str | None
    partner: int | None
    similarity: float | None
    cluster_size: int


def keep_greedily(
    rows: dict[int, Row], pairs: list[tuple[int, int, float]]
) -> tuple[dict[int, Kept], list[int]]:
    """Keep the best of each set of look-alikes, one document after another in the order of rank.

    Args:
        rows: documents by number; equal ranks go by number.
        pairs: two groups and their similarity, of those that are similar enough.

    Returns:
        What becomes of each document; and the sizes of clusters lost whole: as many as would have stayed and been left
        for, had nothing objected, if nothing of them was kept.
    """
    alike: dict[int, list[tuple[int, float]]] = {}
    for a, b, value in pairs:
        alike.setdefault(a, []).append((b, value))
        alike.setdefault(b, []).append((a, value))
    free = {number for number, row in rows.items() if not row.objected}
    order = sorted(rows, key=lambda number: (number not in free, rows[number].rank, number))
    representative: dict[int, int] = {}
    left: dict[int, tuple[int, float, bool]] = {}
    for number in order:
        group = rows[number].group
        if group in representative:
            stays = representative[group]
            left[number] = left.get(stays, (stays, 1.0, False))
            continue
        representative[group] = number
        better = [
            (-value, order.index(representative[other]), representative[other])
            for other, value in alike.get(group, [])
            if other in representative and representative[other] not in left
        ]
        if better:
            value, _, partner = min(better)
            left[number] = (partner, -value, True)
    size = Counter(partner for number, (partner, _, _) in left.items() if number in free)
    lost = Counter(partner for number, (partner, _, _) in left.items() if partner not in free)
    found = {}
    for number in rows:
        if number not in free:
            found[number] = Kept(None, None, None, 0)
        elif number in left:
            partner, value, near = left[number]
            found[number] = Kept("dedupe:near" if near else "dedupe:exact", partner, value, 0)
        else:
            found[number] = Kept(None, None, None, size[number] + 1)
    return found, sorted(count + 1 for count in lost.values())
