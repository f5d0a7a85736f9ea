"""`kakehi defaults`."""

from __future__ import annotations

import io
from pathlib import Path

import click
from ruamel.yaml import YAML

from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.manifest.model import filled


def defaults(manifest: Path) -> None:
    """Print the manifest with every default written in."""
    text = io.StringIO()
    YAML(typ="rt").dump(filled(load(manifest)), text)
    click.echo(text.getvalue(), nl=False)
