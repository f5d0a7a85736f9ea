"""Slow twins for tests: readers and rules written from the specification, importing nothing of ours."""

import struct
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
