"""Check names that come from a disk before they become paths: a folder may have been handed over by anybody."""

from __future__ import annotations

from pathlib import Path, PurePosixPath


def is_plain(name: object) -> bool:
    """Say whether a value is one component of a path: no separator, no `.` or `..`, no NUL, not empty."""
    return isinstance(name, str) and name not in {"", ".", ".."} and not set(name) & {"/", "\0"}


def is_below(name: object) -> bool:
    """Say whether a value names something below a folder, whatever the folder: plain names between slashes."""
    return isinstance(name, str) and all(map(is_plain, name.split("/")))


def path_below(home: Path, name: str) -> Path:
    """Give the path of a name below a folder; the folder may be reached through links, the rest not lead out of it.

    Raises:
        ValueError: the name is none, or a link on the way leads out.
    """
    if not is_below(name):
        raise ValueError(f"{home}: name: got {name!r}, wanted one below the folder, without '..'")
    path = home / PurePosixPath(name)
    if not path.resolve().is_relative_to(home.resolve()):
        raise ValueError(f"{path}: is a link that leads out of its folder")
    return path


def linked_parent(root: Path, path: Path) -> Path | None:
    """Give the first folder between a folder and a path below it that is a link, or None."""
    between = [parent for parent in path.parents if parent != root and parent.is_relative_to(root)]
    return next((parent for parent in reversed(between) if parent.is_symlink()), None)
