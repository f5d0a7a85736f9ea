"""Write files so that each is whole or not there, whatever is killed and whenever power is lost."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def set_aside(path: Path, scratch: Path | None = None) -> Iterator[Path]:
    """Give a name to write a file under; sync it and rename it to its place when it is whole, else remove it.

    A worker presumed dead may write beside its successor: each under a name of its own.

    Args:
        path: the file's place; folders that are not there are made.
        scratch: folder of the name, on the disk of the place; None for a hidden name beside the place.
    """
    aside = (
        path.with_name(f".{path.name}.{uuid.uuid4().hex}") if scratch is None else scratch / uuid.uuid4().hex
    )
    aside.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield aside
        move_into_place(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def move_into_place(aside: Path, path: Path) -> None:
    """Sync a file, rename it to its place, and sync the folder, without which power lost may undo the renaming."""
    sync(aside)
    path.parent.mkdir(parents=True, exist_ok=True)
    aside.replace(path)
    sync(path.parent)


def link_or_copy(path: Path, other: Path) -> None:
    """Give a finished file a second name, or a copy under it where the file system has no hard links."""
    try:
        os.link(path, other)
    except OSError:  # FUSE, LTFS and vfat; what else is wrong the copy says
        shutil.copyfile(path, other)


def sync(path: Path) -> None:
    """Have the disk hold what a file or a folder holds."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
