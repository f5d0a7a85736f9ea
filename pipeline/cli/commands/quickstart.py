"""`kakehi quickstart`: the demo, for whoever has the package and no checkout."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import kakehi
from kakehi.pipeline.cli.options import refuse_filled
from kakehi.pipeline.cli.terminal import say

#: What the demo needs, files and folders of `manifests/`; rules are found in the package by name.
COPIED: Final = ("quickstart.yaml", "quickstart", "machines")
_MANIFESTS: Final = Path(str(kakehi.__file__)).resolve().parent / "manifests"


def quickstart(target: Path) -> None:
    """Copy the demo's manifest, pages and machine files into an empty folder."""
    refuse_filled(target)
    for name in COPIED:
        count = _copy_files(_MANIFESTS / name, target / name)
        say(target / name if (target / name).is_file() else f"{target / name} ({count} files)")
    machine = target / "machines" / "laptop.yaml"
    say(f"to run it: kakehi run {target / COPIED[0]} --machine {machine}", err=True)


def _copy_files(place: Path, to: Path) -> int:
    """Copy a file, or all in a folder, and count; contents only, for a package may be read-only."""
    files = [place] if place.is_file() else sorted(path for path in place.rglob("*") if path.is_file())
    for file in files:
        copy = to / file.relative_to(place)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
    return len(files)
