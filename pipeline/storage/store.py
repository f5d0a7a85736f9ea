"""The work folder: where outputs lie, how they are published, and the receipts that say they are whole.

    work/<step>/<address>/recipe.json                    what decided the address
    work/<step>/<address>/<source>/<shard>.parquet       a row-wise table, with <shard>.json as its receipt
    work/<step>/<address>/…, receipt.json                the output of a corpus step
    work/<step>/<address>/.shuffle/                      what a corpus step under way has done so far
    work/runs/<time>.jsonl                               events
    work/tmp/                                            attempts under way

An attempt writes under a unique name in tmp, is fsynced and renamed; the receipt comes last. No receipt, no output.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kakehi.pipeline.errors import WorkFolderError
from kakehi.pipeline.interrupts import raise_interrupt
from kakehi.pipeline.storage.addresses import Recipe
from kakehi.pipeline.storage.addresses import address as address_of
from kakehi.pipeline.storage.atomic import set_aside, sync
from kakehi.pipeline.storage.names import is_below, linked_parent

#: What was counted, by a name with slashes; counts of several tasks are added up.
Counts = dict[str, int]

CHUNK_BYTES = 1 << 20

#: The way out where a folder takes no more, by what the system says; and that of every other case.
_WAY_OUT = {
    errno.ENOSPC: "free space there, then run again: what is done is kept",
    errno.EDQUOT: "free space there or raise the quota, then run again: what is done is kept",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f) or free space, then run again: what is done is kept",
}
_OTHER_FOLDER = "make it writable, or name a folder that is with --work DIR"

#: What is said of a folder that is written to, and never of a file that is read.
FULL = frozenset({*_WAY_OUT, errno.EROFS})


@dataclass(frozen=True, kw_only=True)
class Output:
    """A published file: its name below the address folder, bytes and sha256."""

    name: str
    size: int
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What one task made, from what, and what it counted.

    Args:
        step: name in the manifest.
        source: for row-wise steps, else None.
        shard: for row-wise steps, else None.
        address: of the step.
        inputs: input files read: name, size, mtime_ns, sha256.
        outputs: files published.
        counts: slash-named, mergeable by addition.
        seconds: wall time of the task.
        cpu_seconds: CPU time of the task.
        peak_bytes: peak resident memory of the process that ran it, or of any that ran a task of it.
        promised: of a corpus step, what it last estimated to take: bytes of scratch, of tables, of a task.
        scratch_bytes: that it had on disk at its end, which is the most.
    """

    step: str
    source: str | None
    shard: str | None
    address: str
    inputs: tuple[Mapping[str, Any], ...] = ()
    outputs: tuple[Output, ...] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    cpu_seconds: float = 0.0
    peak_bytes: int = 0
    promised: Mapping[str, int] = field(default_factory=dict)
    scratch_bytes: int = 0


class Store:
    """The work folder.

    Args:
        root: the folder; made when first written to.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()  # a worker may run in another folder

    def folder(self, step: str, address: str) -> Path:
        """Where a step's output lies."""
        return self.root / step / address

    def table(self, step: str, address: str, source: str, shard: str) -> Path:
        """Where a row-wise table of one shard lies."""
        return self.folder(step, address) / source / f"{shard}.parquet"

    def parts(self, step: str, address: str, source: str, shard: str) -> Path:
        """Where a shard's task says how far it got, and commits its files one by one, until the shard is published."""
        return self.folder(step, address) / source / f".{shard}.parts"

    def scratch(self, step: str, address: str) -> Path:
        """Where a corpus step leaves what its next run finds again."""
        return self.folder(step, address) / ".shuffle"

    def attempt(self) -> Path:
        """Make a folder of a unique name for one attempt.

        Raises:
            WorkFolderError: it can't be written to.
        """
        path = self.root / "tmp" / uuid.uuid4().hex
        try:
            path.mkdir(parents=True)
        except OSError as error:
            raise unwritable(self.root, error) from error
        return path

    def publish(self, attempt: Path, receipt: Receipt) -> Receipt:
        """Move what an attempt wrote to its place, the receipt last, and remove the attempt.

        Returns:
            the receipt with its outputs filled in.

        Raises:
            KeyboardInterrupt: there was a Ctrl-C that nobody heard.
        """
        raise_interrupt()
        home = self.folder(receipt.step, receipt.address)
        names = sorted(path.relative_to(attempt) for path in attempt.rglob("*") if path.is_file())
        outputs = tuple(_measured(attempt / name, name) for name in names)
        for name in names:
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            (attempt / name).replace(target)
        for parent in sorted({(home / name).parent for name in names} | {home}):
            parent.mkdir(parents=True, exist_ok=True)
            sync(parent)
        filled = replace(receipt, outputs=outputs)
        self.write_json(self._receipt_path(filled.step, filled.address, filled.source, filled.shard), filled)
        shutil.rmtree(attempt)
        return filled

    def keep_recipe(self, step: str, address: str, recipe: Recipe) -> None:
        """Write down what decided an address, once."""
        path = self.folder(step, address) / "recipe.json"
        if _whole_recipe(path) is None:
            self.write_json(path, recipe)

    def receipt(self, step: str, address: str, source: str | None, shard: str | None) -> Receipt | None:
        """Read a receipt, or None where there is none that can be read."""
        path = self._receipt_path(step, address, source, shard)
        try:
            plain = json.loads(path.read_bytes())
            outputs = tuple(Output(**item) for item in plain.pop("outputs"))
            found = Receipt(**{**plain, "outputs": outputs, "inputs": tuple(plain["inputs"])})
            whole = all(isinstance(count, int) for count in found.counts.values())
            whole = whole and all(is_below(output.name) for output in outputs)
        except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
            return None
        asked = (step, address, source, shard)
        return found if whole and (found.step, found.address, found.source, found.shard) == asked else None

    def fault(self, receipt: Receipt, *, verify: bool) -> str | None:
        """Say how the outputs differ from their receipt, or None.

        Args:
            receipt: of the outputs.
            verify: read every byte and compare digests, not sizes alone.
        """
        home = self.folder(receipt.step, receipt.address)
        for output in receipt.outputs:
            path = home / output.name
            size = path.stat().st_size if path.is_file() else None
            if size != output.size:
                return f"{output.name} {'is gone' if size is None else f'has {size:,} bytes'}, receipt says {output.size:,}"
            if verify and file_digest(path) != output.sha256:
                return f"{output.name} has other bytes than its receipt says"
        return None

    def recipes(self, step: str) -> list[tuple[str, Recipe]]:
        """List the addresses of a step and their recipes, the newest first; broken ones are left out."""
        found = sorted(
            (self.root / step).glob("*/recipe.json"), key=lambda p: (p.stat().st_mtime_ns, p), reverse=True
        )
        read = [(path.parent.name, _whole_recipe(path)) for path in found]
        return [(name, recipe) for name, recipe in read if recipe is not None]

    def addresses(self) -> Iterator[Path]:
        """Walk the address folders of every step, but for those that lie behind a link."""
        found = sorted(path.parent for path in self.root.glob("*/*/recipe.json"))
        yield from (path for path in found if linked_parent(self.root, path) is None)

    def write_json(self, path: Path, value: Receipt | Recipe) -> None:
        """Write JSON to its place, whole or not at all."""
        plain = asdict(value) if isinstance(value, Receipt) else value
        with set_aside(path) as aside:
            aside.write_bytes(json.dumps(plain, ensure_ascii=False, indent=1).encode())

    def _receipt_path(self, step: str, address: str, source: str | None, shard: str | None) -> Path:
        home = self.folder(step, address)
        return home / "receipt.json" if source is None else home / source / f"{shard}.json"


def unwritable(root: Path, error: OSError) -> WorkFolderError:
    """Say of a work folder that it takes no more, and the way out."""
    said = "it is no folder" if isinstance(error, (FileExistsError, NotADirectoryError)) else ""
    reason = said or (os.strerror(error.errno) if error.errno else str(error))
    return WorkFolderError(
        f"{os.fspath(root)!r}: can't be written to ({reason})",
        hint=_WAY_OUT.get(error.errno or 0, _OTHER_FOLDER),
    )


@contextmanager
def writing(root: Path) -> Iterator[None]:
    """Turn a full disk, a quota, a read-only or a forbidden folder into one clear error.

    Raises:
        WorkFolderError: it was one of these.
    """
    try:
        yield
    except OSError as error:
        if error.errno in FULL | {errno.EACCES, errno.EPERM}:
            raise unwritable(root, error) from error
        raise


def file_digest(path: Path) -> str:
    """Give the sha256 of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def merge(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """Add up counts key by key."""
    total: dict[str, int] = {}
    for part in counts:
        for key, value in part.items():
            total[key] = total.get(key, 0) + value
    return total


def _whole_recipe(path: Path) -> Recipe | None:
    """Read a recipe, or None where it is gone, none of ours, or does not hash to its folder's name any more."""
    try:
        recipe: Recipe = json.loads(path.read_bytes())
        return recipe if _is_recipe(recipe) and address_of(recipe) == path.parent.name else None
    except (OSError, ValueError, RecursionError):
        return None


def _is_recipe(found: object) -> bool:
    """Say whether all is there that two recipes are compared by."""
    return (
        isinstance(found, dict)
        and "version" in found
        and all(isinstance(found.get(key), dict) for key in ("params", "libraries", "upstream"))
        and isinstance(found.get("shards", []), list)
        and all(isinstance(name, str) for name in found.get("shards", []))
    )


def _measured(path: Path, name: Path) -> Output:
    sync(path)
    return Output(name=name.as_posix(), size=path.stat().st_size, sha256=file_digest(path))
