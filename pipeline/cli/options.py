"""Options that several commands share, and how a command shows its example."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.walltime import seconds_of


class Example(click.Command):
    """A command whose help ends with its example, as it is typed."""

    def __init__(self, *args: Any, example: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._example = example

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the example."""
        del ctx
        with formatter.section("Example"):
            formatter.write(f"  {self._example}\n")


MANIFEST = click.argument("manifest", type=click.Path(path_type=Path, dir_okay=False))
WORK = click.option(
    "--work",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("work"),
    show_default=True,
    help="Folder for everything that is made.",
)
LIMIT = click.option("--limit", type=click.IntRange(min=1), help="Read this many records of each source.")
UNTIL = click.option("--until", metavar="STEP", help="Stop after this step.")
VERIFY = click.option("--verify", is_flag=True, help="Compare every byte with its receipt, not sizes alone.")


MAPS = click.option(
    "--maps",
    "cache",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of index maps: work/index/ADDRESS/cache.",
)


def seconds(_: click.Context, __: click.Parameter, value: str | None) -> float | None:
    """Read a walltime given on the command line."""
    try:
        return None if value is None else seconds_of(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def refuse_filled(folder: Path) -> None:
    """Refuse to fill a folder that is not empty.

    Raises:
        DataError: something is in it.
    """
    if folder.exists() and any(folder.iterdir()):
        raise DataError(f"{os.fspath(folder)!r}: is not empty", hint="name a folder that is")
