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
from dataclasses import replace
from pathlib import Path

from kakehi.pipeline.errors import EngineError, WorkFolderError
from kakehi.pipeline.interrupts import raise_interrupt
from kakehi.pipeline.storage.addresses import Recipe
from kakehi.pipeline.storage.addresses import address as address_of
from kakehi.pipeline.storage.atomic import set_aside, sync
from kakehi.pipeline.storage.claims import check_claim
from kakehi.pipeline.storage.names import linked_parent
from kakehi.pipeline.storage.receipts import Counts as Counts  # noqa: PLC0414
from kakehi.pipeline.storage.receipts import Output as Output  # noqa: PLC0414
from kakehi.pipeline.storage.receipts import Receipt as Receipt  # noqa: PLC0414
from kakehi.pipeline.storage.receipts import plain_receipt, read_receipt
from kakehi.pipeline.storage.utf8_names import refuse_odd_name

CHUNK_BYTES = 1 << 20

#: The way out where a folder takes no more, by what the system says; and that of every other case.
_WAY_OUT = {
    errno.ENOSPC: "free space there, then run again: what is done is kept",
    errno.EDQUOT: "free space there or raise the quota, then run again: what is done is kept",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f) or free space, then run again: what is done is kept",
}
#: Folders of the work folder that are no step's; what lies in tmp `kakehi clean` removes.
OWN_FOLDERS = frozenset({"tmp", "runs"})

#: File of an attempt that is never published: who removes an attempt removes it, and no task makes it again.
_MARK = ".attempt"

_GONE = "run again: what is missing is made anew; `kakehi clean` removes attempts only where no process writes them"
_OTHER_FOLDER = "make it writable, or name a folder that is with --work DIR"

#: What is said of a folder that is written to, and never of a file that is read.
FULL = frozenset({*_WAY_OUT, errno.EROFS})


class Store:
    """The work folder.

    Args:
        root: the folder; made when first written to.
        claim: name of the claim that the run holds on it, without which nothing is published; None asks for none.
    """

    def __init__(self, root: Path, *, claim: str | None = None) -> None:
        self.root = root.absolute()  # a worker may run in another folder
        self.claim = claim
        refuse_odd_name(self.root, "work folder")

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

    def attempt(self, by: str = "") -> Path:
        """Make a folder of a unique name for one attempt.

        Args:
            by: whose it is, as `attempts.name_process` says it; `kakehi clean` spares those of processes that live.

        Raises:
            WorkFolderError: it can't be written to.
        """
        path = self.root / "tmp" / ".".join(filter(None, (uuid.uuid4().hex, by)))
        try:
            path.mkdir(parents=True)
            (path / _MARK).touch()
        except OSError as error:
            raise unwritable(self.root, error) from error
        return path

    def publish(self, attempt: Path, receipt: Receipt) -> Receipt:
        """Move what an attempt wrote to its place, the receipt last, and remove the attempt.

        Returns:
            the receipt with its outputs filled in.

        Raises:
            KeyboardInterrupt: there was a Ctrl-C that nobody heard.
            EngineError: the attempt was removed under its task, or wrote nothing of a shard.
            ClaimLostError: another run has taken the work folder over.
        """
        raise_interrupt()
        check_claim(self.root, self.claim)
        home = self.folder(receipt.step, receipt.address)
        names = sorted(path.relative_to(attempt) for path in attempt.rglob("*") if path.is_file())
        if Path(_MARK) not in names or (receipt.source is not None and len(names) == 1):
            raise EngineError(f"{receipt.step}: {os.fspath(attempt)!r} is not all there any more", hint=_GONE)
        names.remove(Path(_MARK))
        outputs = tuple(_measured(attempt / name, name) for name in names)
        for name in names:
            target = home / name
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir() and not target.is_symlink():  # not ours: `kakehi clean` says that it is there
                target.rename(self.root / "tmp" / uuid.uuid4().hex)
            (attempt / name).replace(target)
        for parent in sorted({(home / name).parent for name in names} | {home}):
            parent.mkdir(parents=True, exist_ok=True)
            sync(parent)
        filled = replace(receipt, outputs=outputs)
        self.write_json(self.receipt_path(filled.step, filled.address, filled.source, filled.shard), filled)
        shutil.rmtree(attempt)
        return filled

    def keep_recipe(self, step: str, address: str, recipe: Recipe) -> None:
        """Write down what decided an address, once."""
        path = self.folder(step, address) / "recipe.json"
        if _whole_recipe(path) is None:
            self.write_json(path, recipe)

    def receipt(self, step: str, address: str, source: str | None, shard: str | None) -> Receipt | None:
        """Read a receipt, or None where there is none that can be believed."""
        found = read_receipt(self.receipt_path(step, address, source, shard))
        asked = (step, address, source, shard)
        return found if found and (found.step, found.address, found.source, found.shard) == asked else None

    def forget(self, source: str, shard: str) -> None:
        """Remove the receipts of all that came of a shard, and what is half done of it, whatever manifest made it."""
        of_corpus = [home for home in self.addresses() if _came_of(home, f"{source}/{shard}")]
        for home in of_corpus:
            (home / "receipt.json").unlink(missing_ok=True)
            shutil.rmtree(home / ".shuffle", ignore_errors=True)
        for home in self.addresses():
            (home / source / f"{shard}.json").unlink(missing_ok=True)
            shutil.rmtree(home / source / f".{shard}.parts", ignore_errors=True)

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
        plain = plain_receipt(value) if isinstance(value, Receipt) else value
        with set_aside(path) as aside:
            aside.write_bytes(json.dumps(plain, ensure_ascii=False, indent=1).encode())

    def receipt_path(self, step: str, address: str, source: str | None, shard: str | None) -> Path:
        """Where a receipt lies."""
        home = self.folder(step, address)
        return home / "receipt.json" if source is None else home / source / f"{shard}.json"


def unwritable(root: Path, error: OSError) -> WorkFolderError:
    """Say of a work folder that it takes no more, and the way out."""
    said = "it is no folder" if isinstance(error, (FileExistsError, NotADirectoryError)) else ""
    reason = said or (os.strerror(error.errno) if error.errno else str(error))
    return WorkFolderError(
        f"{os.fspath(root)!r}: can't be written to ({reason})",
        hint="name another folder with --work DIR" if said else _WAY_OUT.get(error.errno or 0, _OTHER_FOLDER),
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


def _came_of(home: Path, shard: str) -> bool:
    recipe = _whole_recipe(home / "recipe.json")
    return recipe is not None and shard in recipe.get("shards", ())


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
