"""Say something to whoever runs the command: the one place where text that may come of data is printed."""

from __future__ import annotations

import click

from kakehi.pipeline.printable import show_controls


def say(text: object = "", *, err: bool = False, nl: bool = True) -> None:
    """Print a text without what would steer a terminal; on stderr if it is no result."""
    click.echo(show_controls(str(text)), err=err, nl=nl)
