"""Group input files into shards: stable, append-only, and a function of the files alone.

A shard is a node of the binary trie over sha256 of the files' names, split while it is larger than its target and
holds more than one file. So one more file lands in one shard (or splits it in two) and leaves all others as they
are; grouping sorted names greedily would shift every later shard instead.
"""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.storage.addresses import canonical, digest
from kakehi.pipeline.storage.utf8_names import refuse_odd_name

MEGABYTE = 1 << 20


@dataclass(frozen=True, kw_only=True, order=True)
class InputFile:
    """One input file as it was found.

    Args:
        name: relative to the manifest's folder, with forward slashes; part of every address.
        path: where it is on this machine; part of none.
        size: bytes.
        mtime_ns: nanoseconds since the epoch, or 0 where a digest is declared.
        digest: declared sha256, or '' for none; checked where the file is read.
        same_as_ns: time at which the same bytes were read before, or None: their shard keeps its name.
    """

    name: str
    path: Path
    size: int
    mtime_ns: int
    digest: str = ""
    same_as_ns: int | None = None

    @property
    def identity_ns(self) -> int:
        """The time that is part of a shard's identity."""
        return self.mtime_ns if self.same_as_ns is None else self.same_as_ns

    @property
    def state(self) -> list[object]:
        """What of it is part of a shard's identity."""
        return [self.name, self.size, self.digest or self.identity_ns]


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A stable group of input files of one source, and its rows.

    Args:
        source: the source's name in the manifest.
        name: trie prefix and identity, e.g. `01-5f3c09ab`; the file name of all its row-wise outputs.
        files: sorted by name.
        limit: records to read at most, from the first file on, or None for all.
        spec: what is read where there are no files (a Hugging Face dataset), else None.
        skip: records left out, by name of their input and offset.
    """

    source: str
    name: str
    files: tuple[InputFile, ...]
    limit: int | None = None
    spec: tuple[tuple[str, object], ...] | None = None
    skip: tuple[tuple[str, int], ...] = ()


def find_files(patterns: Iterable[str], root: Path) -> list[InputFile]:
    """Find the files that glob patterns name, each once, sorted by name.

    Args:
        patterns: relative to root, `**` for any depth.
        root: the manifest's folder.

    Raises:
        DataError: a pattern that names no file, or one whose name is no UTF-8.
    """
    found: dict[str, InputFile] = {}
    for pattern in patterns:
        names = glob.glob(pattern, root_dir=root, recursive=True)  # noqa: PTH207 - Path.glob refuses absolute patterns
        files = [name for name in names if (root / name).is_file()]
        if not files:
            raise DataError(
                f"{pattern!r}: no file of that name below {os.fspath(root)!r}",
                hint="patterns are relative to the manifest's folder; ** crosses folders",
            )
        found.update((name, _look(name, root)) for name in files)
    return [found[name] for name in sorted(found)]


def group(
    source: str,
    files: Iterable[InputFile],
    *,
    target_bytes: int,
    limit: int | None = None,
    skip: Iterable[tuple[str, int]] = (),
) -> list[Shard]:
    """Group files into shards of about `target_bytes` of input, sorted by trie prefix.

    Args:
        source: name in the manifest.
        files: any order.
        target_bytes: input bytes above which a shard of several files is split.
        limit: read this many records of the source and no more; gives a single shard.
        skip: records left out; only their own shard's identity changes with them.
    """
    chosen, left_out = sorted(files), sorted(skip)
    if limit is not None:
        return [_shard(source, "first", chosen, left_out, limit=limit)] if chosen else []
    keyed = sorted((_bits(file.name), file) for file in chosen)
    return [_shard(source, prefix, members, left_out) for prefix, members in _split(keyed, "", target_bytes)]


def dataset_shard(
    source: str,
    spec: dict[str, object],
    *,
    files: Iterable[InputFile] = (),
    root: Path | None = None,
    limit: int | None = None,
    skip: Iterable[tuple[str, int]] = (),
) -> Shard:
    """Make the single shard of a source that is a Hugging Face dataset.

    Args:
        source: name in the manifest.
        spec: what names the dataset.
        files: of a dataset that is local; their state is part of the shard's identity.
        root: the manifest's folder, from which local names start; no part of the identity.
        limit: records to read at most, or None.
        skip: records left out.
    """
    left_out = sorted(skip)
    plain = sorted((key, value) for key, value in spec.items() if value is not None and value != [])
    states = [file.state for file in sorted(files)]
    identity = digest(canonical([plain, limit, *states, *_identity_of(left_out)]).encode())[:8]
    if states:
        plain += [("data_files", tuple(str(name) for name, *_ in states)), ("root", root)]
    return Shard(
        source=source,
        name=f"all-{identity}",
        files=(),
        limit=limit,
        spec=tuple(sorted(dict(plain).items())),
        skip=tuple(left_out),
    )


def fetch_shard(
    source: str, kind: str, identity: Iterable[object], *, limit: int | None, files: Iterable[InputFile] = ()
) -> Shard:
    """Make a shard of what a source fetches.

    Args:
        source: name in the manifest.
        kind: of shard; its name begins with it.
        identity: plain values that tell it from the source's other shards.
        limit: records to fetch at most, or None.
        files: that it is fetched by.
    """
    told = digest(canonical([*identity, limit]).encode())[:8]
    name = f"{kind}-{told}" if limit is None else f"first-{told}"
    return Shard(source=source, name=name, files=tuple(files), limit=limit)


def _look(name: str, root: Path) -> InputFile:
    refuse_odd_name(name, "input file")
    state = (root / name).stat()
    return InputFile(name=name, path=root / name, size=state.st_size, mtime_ns=state.st_mtime_ns)


def _bits(name: str) -> str:
    return "".join(f"{byte:08b}" for byte in hashlib.sha256(name.encode()).digest())


def _split(
    keyed: list[tuple[str, InputFile]], prefix: str, target_bytes: int
) -> Iterator[tuple[str, list[InputFile]]]:
    if not keyed:
        return
    if len(keyed) == 1 or sum(file.size for _, file in keyed) <= target_bytes:
        yield prefix or "all", sorted(file for _, file in keyed)
        return
    for bit in "01":
        inside = [item for item in keyed if item[0][len(prefix)] == bit]
        yield from _split(inside, prefix + bit, target_bytes)


def _shard(
    source: str,
    prefix: str,
    files: list[InputFile],
    skip: list[tuple[str, int]],
    *,
    limit: int | None = None,
) -> Shard:
    names = {file.name for file in files}
    mine = [place for place in skip if place[0] in names]
    identity = canonical([*(file.state for file in files), limit, *_identity_of(mine)])
    return Shard(
        source=source,
        name=f"{prefix}-{digest(identity.encode())[:8]}",
        files=tuple(files),
        limit=limit,
        skip=tuple(mine),
    )


def _identity_of(skip: list[tuple[str, int]]) -> list[object]:
    """Say what of an identity records left out are: nothing where there are none."""
    return [{"skip": [[name, offset] for name, offset in skip]}] if skip else []
