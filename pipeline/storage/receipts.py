"""Receipts: what one task made, from what, and what it counted; each carries a digest of itself.

A receipt of before, without a digest, is believed if all in it is of its type, so no work folder is made anew.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from kakehi.pipeline.storage.addresses import canonical, digest
from kakehi.pipeline.storage.names import is_below

#: What was counted, by a name with slashes; counts of several tasks are added up.
Counts = dict[str, int]

_NUMBERS: Final = ("seconds", "cpu_seconds", "peak_bytes", "scratch_bytes")


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


def plain_receipt(receipt: Receipt) -> dict[str, Any]:
    """Give a receipt as it is written: plain values, and the digest of them."""
    plain = json.loads(json.dumps(asdict(receipt)))
    return {**plain, "digest": _digest(plain)}


def read_receipt(path: Path) -> Receipt | None:
    """Read a receipt, or None where it is gone or damaged: foreign JSON, wrong types, other bytes than were written."""
    try:
        plain = json.loads(path.read_bytes())
        told = plain.pop("digest", None)
        if told not in {None, _digest(plain)} or not _is_typed(plain):
            return None
        outputs = tuple(Output(**item) for item in plain["outputs"])
        return Receipt(**{**plain, "outputs": outputs, "inputs": tuple(plain.get("inputs", ()))})
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None


def _digest(plain: Mapping[str, Any]) -> str:
    return digest(canonical(plain).encode())


def _is_typed(plain: Mapping[str, Any]) -> bool:
    """Say whether all that is used of a receipt is of its type; a shard's without outputs says nothing."""
    outputs = plain["outputs"]
    whole = isinstance(outputs, list) and (len(outputs) > 0 or plain["source"] is None)
    whole &= all(_is_output(item) for item in outputs)
    whole &= all(_is_count(plain.get(name, {})) for name in ("counts", "promised"))
    whole &= all(_is_number(plain.get(name, 0)) for name in _NUMBERS)
    inputs = plain.get("inputs", [])
    return whole and isinstance(inputs, list) and all(isinstance(item, dict) for item in inputs)


def _is_output(item: Mapping[str, Any]) -> bool:
    texts = isinstance(item["name"], str) and isinstance(item["sha256"], str)
    return texts and is_below(item["name"]) and _is_number(item["size"])


def _is_count(value: object) -> bool:
    return isinstance(value, dict) and all(
        _is_number(count) and count == int(count) for count in value.values()
    )


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1 << 63
