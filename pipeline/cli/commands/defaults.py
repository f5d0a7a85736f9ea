"""`kakehi defaults`."""

from __future__ import annotations

import io
from pathlib import Path

from ruamel.yaml import YAML

from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.manifest.model import filled


def defaults(manifest: Path) -> None:
    """Print the manifest with every default written in."""
    text = io.StringIO()
    YAML(typ="rt").dump(filled(load(manifest)), text)
    say(text.getvalue(), nl=False)
