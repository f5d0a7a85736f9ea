"""Say of a packed file that breaks off, or is damaged, how much of it was read."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO

from kakehi.pipeline.sources.formats.compressed import ENDINGS, DamagedError, packing_of
from kakehi.pipeline.sources.formats.records import Reading, Reason, Reject

#: Count of files whose damage was accepted.
ACCEPTED = "broken_files"


class BrokenFileError(ValueError):
    """A file that breaks off or is damaged: it is the file that is to be left out, not the record it was at."""


def broken(
    path: Path,
    file: BinaryIO,
    damage: DamagedError,
    reading: Reading,
    *,
    read: int,
    offset: int,
    length: int = 0,
) -> Reject:
    """Return the one reject that stands for the rest of a file, where that is accepted.

    Args:
        path: the file.
        file: open.
        damage: what is wrong with it.
        reading: whether damage is accepted.
        read: records before it.
        offset: where the rest begins, in bytes of the unpacked file.
        length: bytes of it that were unpacked.

    Raises:
        BrokenFileError: it is not accepted.
    """
    file.seek(0)
    packing = packing_of(file.read(4))
    packing = ENDINGS.get(path.suffix, "gzip") if packing == "none" else packing
    reason: Reason = "broken_zstd" if packing == "zstd" else "broken_gzip"
    if not reading.accept_broken:
        raise BrokenFileError(
            f"{path}: {reason}: {damage}; {read:,} records were read before that\n"
            "hint: fetch the file again, or keep what is sound with accept_broken: true in the source"
        ) from damage
    reading.counts[ACCEPTED] += 1
    note = f"{damage}; the rest of the file is lost"
    return Reject(record_id=None, offset=offset, length=length, reason=reason, note=note)
