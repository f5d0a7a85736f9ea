"""Read the `manifest.json` beside a packed prefix as what anybody may have written: types, bounds and names first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from kakehi.pipeline.storage.names import is_plain

#: More than any file holds; what is below still fits into int64 when it is multiplied by the bytes of a token.
_MOST: Final = 1 << 48

_ABOUT: Final = {"sequence_tokens": 1, "eod": 0, "vocab_size": 1}
_BINARY: Final = {
    "lanes": 1,
    "tile_rows": 1,
    "samples": 0,
    "rows": 1,
    "sequences": 1,
    "tokens": 0,
    "pieces": 0,
}


def read_packed_manifest(path: Path) -> dict[str, Any]:
    """Read what it says, once all that is used of it is what it should be.

    Raises:
        ValueError: names the file, the place in it, what was got and what was wanted.
    """
    try:
        about = json.loads(path.read_bytes())
    except RecursionError as error:
        raise ValueError(f"{path}: got brackets too deep to read, wanted what pack writes") from error
    fault = next(_faults(about), None)
    if fault is not None:
        raise ValueError(f"{path}: {fault}")
    return dict(about)


def _faults(about: Any) -> Iterator[str]:
    if not isinstance(about, dict):
        yield f"got {_short(about)}, wanted an object"
        return
    yield from _numbers("", about, _ABOUT)
    for key, wanted in (
        ("layout", ("lanes", "stock")),
        ("sequences", ("tiles", "pieces")),
        ("dtype", ("uint16", "int32")),
    ):
        if about.get(key, "tiles" if key == "sequences" else None) not in wanted:
            yield f"{key}: got {_short(about.get(key))}, wanted {' or '.join(wanted)}"
    if not is_plain(about.get("corpus")):
        yield f"corpus: got {_short(about.get('corpus'))}, wanted a plain name"
    yield from _files("files", about.get("files"))
    if not isinstance(about.get("binaries"), dict):
        yield f"binaries: got {_short(about.get('binaries'))}, wanted an object"
        return
    for name, told in about["binaries"].items():
        yield from _binary(f"binaries.{_short(name)}", told, about["binaries"])


def _binary(at: str, told: Any, binaries: Mapping[str, Any]) -> Iterator[str]:
    if not isinstance(told, dict):
        yield f"{at}: got {_short(told)}, wanted an object"
        return
    yield from _numbers(f"{at}.", told, _BINARY)
    if told.get("for") not in ("training", "validation"):
        yield f"{at}.for: got {_short(told.get('for'))}, wanted training or validation"
    if told["samples"] % told["lanes"] or told["samples"] >= told["rows"]:
        yield f"{at}.samples: got {told['samples']}, wanted a multiple of lanes below rows"
    yield from _files(f"{at}.files", told.get("files"))
    if "behind" in told:
        behind = told["behind"]
        name = behind.get("binary") if isinstance(behind, dict) else None
        if not (isinstance(name, str) and is_plain(name) and name in binaries):
            yield f"{at}.behind: got {_short(behind)}, wanted another binary"


def _numbers(at: str, told: Mapping[str, Any], wanted: Mapping[str, int]) -> Iterator[str]:
    for key, least in wanted.items():
        found = told.get(key)
        if type(found) is not int or not least <= found < _MOST:
            yield f"{at}{key}: got {_short(found)}, wanted a whole number from {least} on"


def _files(at: str, found: Any) -> Iterator[str]:
    if not isinstance(found, dict):
        yield f"{at}: got {_short(found)}, wanted an object"
        return
    for name, told in found.items():
        if not is_plain(name):
            yield f"{at}: got {_short(name)}, wanted a plain name"
        elif not isinstance(told, dict) or not isinstance(told.get("sha256"), str):
            yield f"{at}.{_short(name)}: got {_short(told)}, wanted bytes and sha256"
        else:
            yield from _numbers(f"{at}.{_short(name)}.", told, {"bytes": 0})


def _short(value: object) -> str:
    """Show a value, cut; a number of thousands of digits can't even be written."""
    if isinstance(value, int) and abs(value) >= 1 << 128:
        return "a number of over 128 bits"
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:80]}…"
