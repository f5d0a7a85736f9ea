"""The command: `kakehi check | plan | run | status | explain | lookup | quickstart | sweep | report | export | defaults | clean`."""

from __future__ import annotations

import io
import sys

import click

from kakehi.pipeline.cli.catalogue import COMMANDS
from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.errors import CorpusError, DataError
from kakehi.pipeline.interrupts import interruptible


@click.group(
    commands=COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(package_name="kakehi")
def cli() -> None:
    """Turn the Japanese web into pretraining data, every document accounted for."""


def main() -> None:
    """Run the command; an error of ours is one message and its own exit code."""
    try:
        with interruptible():
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
        say("stopped: what is done is kept; run again to go on", err=True)
        sys.exit(130)
    except OSError as error:
        say(f"error: {error.filename or ''}: {error.strerror or error}", err=True)
        sys.exit(DataError.exit_code)
