"""The command: `kakehi check | plan | run | status | explain | lookup | quickstart | sweep | report | export | defaults | clean`."""

from __future__ import annotations

import io
import signal
import sys
import time

import click

from kakehi.pipeline.cli.catalogue import COMMANDS
from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.errors import CorpusError, DataError, enough_memory
from kakehi.pipeline.interrupts import heard, interruptible

#: A command that a signal ended has this and the signal's number as its exit code, as shells say it.
SIGNALLED = 128


@click.group(
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="kakehi")
def cli() -> None:
    """Turn the Japanese web into pretraining data, every document accounted for."""


def main() -> None:
    """Run the command; an error of ours is one message and its own exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a name that is no UTF-8, a terminal that has no Japanese
            stream.reconfigure(errors="backslashreplace")
    try:
        with interruptible(), enough_memory():
            _check_clock()
            cli.main(prog_name="kakehi", standalone_mode=False)
    except CorpusError as error:
        say(f"error: {error}", err=True)
        sys.exit(error.exit_code)
    except click.ClickException as error:
        shown = io.StringIO()
        error.show(shown)
        say(shown.getvalue(), err=True, nl=False)
        sys.exit(2)
    except (click.Abort, KeyboardInterrupt):
        name = heard() or "SIGINT"
        by = "" if name == "SIGINT" else f" by {name}"
        say(f"stopped{by}: what is done is kept; run again to go on", err=True)
        sys.exit(SIGNALLED + signal.Signals[name])
    except OSError as error:
        say(f"error: {error.filename or ''}: {error.strerror or error}", err=True)
        sys.exit(DataError.exit_code)


def _check_clock() -> None:
    """Refuse to begin where the clock can't be read: Python's own modules could not even be imported."""
    try:
        time.time()
    except OSError as error:
        raise DataError(
            f"the system's clock can't be read ({error.strerror})",
            hint="allow clock_gettime in the container or sandbox",
        ) from error
