"""Compare inputs with what earlier runs read: by size and time, and where only the time differs by their bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, NamedTuple

from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.storage.input_state import difference, state_of
from kakehi.pipeline.storage.notes import read_note, write_note
from kakehi.pipeline.storage.receipts import Receipt, read_receipt
from kakehi.pipeline.storage.shards import InputFile
from kakehi.pipeline.storage.store import Store, file_digest

#: In the work folder: inputs whose time changed and whose bytes did not.
SAME_BYTES: Final = "same-bytes.json"


class _Read(NamedTuple):
    """An input as an earlier run read it."""

    size: int
    mtime_ns: int
    sha256: str | None


class KnownInputs:
    """What is known of inputs whose time changed and whose bytes did not.

    Args:
        store: the work folder, in which it is kept.
    """

    def __init__(self, store: Store) -> None:
        self._path = store.root / SAME_BYTES
        self._same: dict[str, int] = read_note(self._path) or {}

    def known(self, file: InputFile) -> InputFile:
        """Give a file the time under which the same bytes were read before, where that is known."""
        return replace(file, same_as_ns=self._same.get(_key(file)))

    def adopt(self, steps: Iterable[Step], store: Store) -> int:
        """Compare the bytes of new shards' files that differ in time alone from what was read; count those that are the same.

        The digest of a file is taken, so this is for a run that reads it anyway.
        """
        found: dict[str, int] = {}
        for step, files in _changed(steps, store):
            earlier = _earlier(step, store)
            for file in files:
                alike = [old for old in earlier.get(file.name, ()) if old.sha256 and old.size == file.size]
                digest = _digest_as_found(file) if alike else None
                same = [old.mtime_ns for old in alike if old.sha256 == digest]
                found.update({_key(file): same[0]} if same else {})
        if found:
            self._same.update(found)
            write_note(self._path, self._same)
        return len(found)


def explain_changes(steps: Sequence[Step], store: Store) -> list[Step]:
    """Say in the reasons of steps that read inputs which file changed, and what about it."""
    lines: dict[str, list[str]] = {}
    for step, files in _changed(steps, store):
        earlier = _earlier(step, store)
        said = [_say_change(file, earlier.get(file.name, [])) for file in files]
        lines[step.address] = [line for line in said if line]
    return [_with_reason(step, lines.get(step.address, [])) for step in steps]


def other_bytes(receipt: Receipt, files: Iterable[InputFile]) -> str | None:
    """Compare the bytes of inputs with the digests that a receipt has of them; say which differs, or None."""
    read = {item.get("name"): item.get("sha256") for item in receipt.inputs}
    for file in files:
        if read.get(file.name) not in {None, file_digest(file.path)}:
            return f"{file.name} has other bytes than were read, though its size and time are the same"
    return None


def _say_change(file: InputFile, earlier: Sequence[_Read]) -> str:
    """Say what of a file differs from when it was last read, or '' of one that was never read, or as it is."""
    if not earlier or any(old[:2] == (file.size, file.identity_ns) for old in earlier):
        return ""
    last = earlier[0]
    said = difference(last.size, last.mtime_ns, file.size, file.mtime_ns)
    unread = " (`kakehi run` compares its bytes first)" if last.size == file.size and last.sha256 else ""
    return f"{file.name} changed: {said}{unread}"


def _with_reason(step: Step, lines: Sequence[str]) -> Step:
    if not lines:
        return step
    more = f" (and {len(lines) - 1:,} more)" if len(lines) > 1 else ""
    return replace(step, reason=f"{step.reason}; {lines[0]}{more}")


def _digest_as_found(file: InputFile) -> str | None:
    """Digest a file, or None where it is not the one that was found any more."""
    digest, now = file_digest(file.path), state_of(file)
    return digest if now is not None and now[:2] == (file.size, file.mtime_ns) else None


def _key(file: InputFile) -> str:
    return json.dumps([file.name, file.size, file.mtime_ns])


def _changed(steps: Iterable[Step], store: Store) -> Iterator[tuple[Step, list[InputFile]]]:
    """Yield the steps that read files, with the files of their shards that have no receipt."""
    for step in steps:
        if step.stage.shape == "source" and step.todo and store.folder(step.name, step.address).is_dir():
            yield step, [file for shard in step.todo for file in shard.files if not file.digest]


def _earlier(step: Step, store: Store) -> dict[str, list[_Read]]:
    """List what a step read before, by name, the latest first."""
    home = store.folder(step.name, step.address) / str(step.source)
    found: dict[str, list[_Read]] = {}
    dated = sorted(home.glob("*.json"), key=lambda path: path.stat().st_mtime_ns, reverse=True)
    for receipt in filter(None, map(read_receipt, dated)):
        for item in receipt.inputs:
            if (read := _read(item)) is not None:
                found.setdefault(str(item["name"]), []).append(read)
    return found


def _read(item: Mapping[str, Any]) -> _Read | None:
    size, time, sha256 = item.get("size"), item.get("mtime_ns"), item.get("sha256")
    if isinstance(size, int) and isinstance(time, int) and isinstance(item.get("name"), str):
        return _Read(size, time, sha256 if isinstance(sha256, str) else None)
    return None
