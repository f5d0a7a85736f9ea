"""A run's history: sorted band keys of what it kept, in which a later run looks up its own keys and reads little else.

    history.json     how keys were signed, how many each file has, and the tables of the documents
    N.keys           little-endian uint64: keys in order, the row of each, and at last every 512th key

File N of M has the N-th of M equal ranges of keys. A key that is looked up costs a search among the last numbers of its
file and, of the keys, one page; so it costs the same in a long history as in a short one. What is found is read from
the documents' tables in the work folder the history lies in. Nothing is ever written there.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, NamedTuple

import numpy as np

from kakehi.arrays import Int64N, UInt64N
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.stages.dedupe.signing import Signed
from kakehi.pipeline.storage.addresses import canonical, digest
from kakehi.pipeline.storage.store import Receipt, Store

NAME: Final = "history.json"

#: Of keys, one in so many is noted: a page of 4 KiB.
_BLOCK: Final = 512


class Matches(NamedTuple):
    """Where some keys lie in a file: keys `start` to `stop` of it are equal to each, none where these are the same."""

    start: Int64N
    stop: Int64N
    rows: UInt64N  # of the whole file, mapped


@dataclass(frozen=True, kw_only=True)
class History:
    """What a run offers to later ones.

    Args:
        folder: it lies in.
        content: digest of what is in it.
        signed: how keys were made.
        sign: version of the stage that made them.
        files: keys in each file.
        tables: of the documents, a shard each, in the order of the rows' shards.
    """

    folder: Path
    content: str
    signed: Signed
    sign: int
    files: tuple[int, ...]
    tables: tuple[Path, ...]

    def look_up(self, keys: UInt64N) -> Iterator[tuple[Int64N, Matches]]:
        """Find keys, which ascend and differ: for each file that may have some, their places among them and in it."""
        numbers = file_of(keys, len(self.files))
        borders = np.searchsorted(numbers, np.arange(len(self.files) + 1))
        for number in np.flatnonzero(np.diff(borders)):
            places = np.arange(borders[number], borders[number + 1])
            if self.files[number]:
                yield places, self._find(int(number), keys[places])

    def _find(self, number: int, wanted: UInt64N) -> Matches:
        count = self.files[number]
        noted = -(-count // _BLOCK)
        path = self.folder / f"{number}.keys"
        try:
            content = np.memmap(path, np.dtype("<u8"), "r")
        except (OSError, ValueError) as error:
            raise _damaged(path) from error
        if len(content) != 2 * count + noted:
            raise _damaged(path)
        fences = np.array(content[2 * count :])
        keys = content[:count]
        start = _places(keys, np.searchsorted(fences, wanted, "left") - 1, wanted, "left")
        stop = _places(keys, np.searchsorted(fences, wanted, "right") - 1, wanted, "right")
        return Matches(start, stop, content[count : 2 * count])


def _places(keys: UInt64N, block: Int64N, wanted: UInt64N, side: Literal["left", "right"]) -> Int64N:
    """Search each wanted key in its own block by halves, all at once, and read no other."""
    low = np.maximum(block, 0) * _BLOCK
    high = np.minimum(low + _BLOCK, len(keys))
    while (low < high).any():
        middle = np.minimum((low + high) // 2, len(keys) - 1)
        read = keys[middle]
        before = (read < wanted if side == "left" else read <= wanted) & (low < high)
        low, high = np.where(before, middle + 1, low), np.where(before, high, np.maximum(low, middle))
    return low


def file_of(keys: UInt64N, files: int) -> Int64N:
    """Number the file, of so many, that each key lies in."""
    return ((keys >> np.uint64(32)) * np.uint64(files) >> np.uint64(32)).astype(np.int64)


def write_keys(path: Path, keys: UInt64N, rows: UInt64N) -> None:
    """Write a file of keys, which ascend, and their rows."""
    with path.open("wb") as file:
        for part in (keys, rows, keys[::_BLOCK]):
            file.write(np.ascontiguousarray(part, "<u8").data)


def write_history(out: Path, signed: Signed, sign: int, files: Sequence[int], tables: Sequence[Path]) -> None:
    """Write down what the files mean; tables are named from the work folder on, which may be moved."""
    told = {
        "signed": signed._asdict(),
        "sign": sign,
        "files": list(files),
        "tables": [Path(*table.parts[-4:]).as_posix() for table in tables],
    }
    (out / NAME).write_text(json.dumps(told), encoding="utf-8")


def open_history(folder: Path) -> History:
    """Read what a finished run offers, at the folder of its `remember` step or at a work folder that has one.

    Raises:
        DataError: there is none, or several, or it is not whole.
    """
    home, receipt = _finished(folder)
    return reopen(home, _digest(receipt))


@lru_cache(maxsize=16)
def reopen(home: Path, content: str) -> History:
    """Read a history again, in a worker, without looking whether it is whole."""
    told = json.loads((home / NAME).read_bytes())
    work = home.parent.parent
    return History(
        folder=home,
        content=content,
        signed=Signed(**told["signed"]),
        sign=told["sign"],
        files=tuple(told["files"]),
        tables=tuple(work / name for name in told["tables"]),
    )


def content_of(folder: Path) -> str:
    """Digest what a finished history holds, by its receipt; errors as in `open_history`."""
    return _digest(_finished(folder)[1])


def _digest(receipt: Receipt) -> str:
    """Digest what a receipt says of its outputs: not where or when they were made."""
    outputs = [[output.name, output.size, output.sha256] for output in receipt.outputs]
    return digest(canonical(outputs).encode())


def _finished(folder: Path) -> tuple[Path, Receipt]:
    homes = [folder] if (folder / NAME).exists() else sorted(p.parent for p in folder.glob(f"*/*/{NAME}"))
    read = [
        (home, Store(home.parent.parent).receipt(home.parent.name, home.name, None, None)) for home in homes
    ]
    found = [(home, receipt) for home, receipt in read if receipt is not None]
    if len(found) != 1:
        raise DataError(
            f"{os.fspath(folder)!r}: has {len(found) or 'no'} finished histor{'ies' if found else 'y'}, wanted one",
            hint=f"name one of {', '.join(repr(os.fspath(home)) for home, _ in found)}"
            if found
            else "add remember: to the manifest of the earlier run, and run it",
        )
    [(home, receipt)] = found
    fault = Store(home.parent.parent).fault(receipt, verify=False)
    if fault:
        raise _damaged(home / fault)
    return home.absolute(), receipt


def _damaged(path: Path) -> DataError:
    return DataError(
        f"{os.fspath(path)}: is not what its receipt says",
        hint="run the earlier manifest again: it is made anew",
    )
