"""What a command is made of: its class, and the arguments and options that several share."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import click

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.walltime import seconds_of


class Command(click.Command):
    """A command whose help ends with its example, and whose function is imported when it is called.

    Help and completion, which run nothing, so import nothing: 0.1 s of CPU time, and not the 1.7 s of numba, Arrow and
    all stages.

    Args:
        name: of the command, of its module in `commands/`, and of the function in it.
        line: what it does; the docstring of the function too.
        example: as it is typed.
        params: arguments, then options, in the order of the help.
    """

    def __init__(self, name: str, line: str, *, example: str, params: list[click.Parameter]) -> None:
        super().__init__(name, callback=partial(_call, name), help=line, params=params)
        self._example = example

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read arguments; `--verify` alone is of outputs, whatever follows it."""
        spelt = [
            "--verify=outputs" if one == "--verify" and args[place : place + 1] != ["inputs"] else one
            for place, one in enumerate(args, 1)
        ]
        return super().parse_args(ctx, spelt)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Show the example."""
        del ctx
        with formatter.section("Example"):
            formatter.write(f"  {self._example}\n")


def find_function(name: str) -> Callable[..., None]:
    """Import what a command does."""
    found: Callable[..., None] = getattr(import_module(f"kakehi.pipeline.cli.commands.{name}"), name)
    return found


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


FILE: Final = click.Path(path_type=Path, dir_okay=False)
FOLDER: Final = click.Path(path_type=Path, file_okay=False)

MANIFEST: Final = click.Argument(["manifest"], type=FILE)
WORK: Final = click.Option(
    ["--work"],
    type=FOLDER,
    default=Path("work"),
    show_default=True,
    help="Folder for everything that is made.",
)
LIMIT: Final = click.Option(
    ["--limit"], type=click.IntRange(min=1), help="Read this many records of each source."
)
UNTIL: Final = click.Option(["--until"], metavar="STEP", help="Stop after this step.")
VERIFY: Final = click.Option(
    ["--verify"],
    type=click.Choice(["outputs", "inputs"]),
    metavar="[inputs]",
    help="Compare every byte of what was made with its receipt, not sizes alone; --verify inputs: of inputs too.",
)
MAPS: Final = click.Option(
    ["--maps", "cache"],
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of index maps: work/index/ADDRESS/cache.",
)


def _call(name: str, **given: Any) -> None:
    find_function(name)(**given)
