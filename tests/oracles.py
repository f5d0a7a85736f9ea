"""Slow twins for tests: readers and rules written from the specification, importing nothing of ours."""

import struct
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

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
    for row, size, source in members:
        step = len({65**power // 64**power for power in range(2400) if 65**power // 64**power <= size})
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
