"""The commands, with their help, arguments and options; what each does lies in `commands/`, in a file of its name."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from kakehi.pipeline.cli.options import (
    FILE,
    FOLDER,
    LIMIT,
    MANIFEST,
    MAPS,
    UNTIL,
    VERIFY,
    WORK,
    Command,
    seconds,
)

COMMANDS: Final = (
    Command(
        "check",
        "Check a manifest and its inputs, or a packed prefix and its index maps; change nothing.",
        example="kakehi check manifests/quickstart.yaml",
        params=[click.Argument(["target"], type=FILE, metavar="MANIFEST|PREFIX"), MAPS],
    ),
    Command(
        "plan",
        "Print what `run` would do, and why.\n\n"
        "Of a machine also what training costs there, for which no input need be there.",
        example="kakehi plan manifests/quickstart.yaml",
        params=[
            MANIFEST,
            WORK,
            LIMIT,
            UNTIL,
            VERIFY,
            click.Option(
                ["--machine"],
                type=FILE,
                help="Where training reads the binaries: say what that costs, and refuse what is over its limits.",
            ),
        ],
    ),
    Command(
        "run",
        "Run a manifest; what is whole already is left alone.",
        example="kakehi run manifests/quickstart.yaml --limit 1000 --until screen",
        params=[
            MANIFEST,
            WORK,
            LIMIT,
            UNTIL,
            VERIFY,
            click.Option(["--machine"], type=FILE, help="Where it runs: manifests/machines/*.yaml."),
            click.Option(
                ["--scheduler"], metavar="ADDRESS|FILE", help="Run on a Dask cluster that is there already."
            ),
            click.Option(
                ["--walltime"],
                metavar="5h30m",
                callback=seconds,
                help="Stop cleanly before so much time is over.",
            ),
        ],
    ),
    Command(
        "status",
        "Tell how the newest run goes, or how it ended: from any terminal that sees the folder.",
        example="kakehi status --work work",
        params=[WORK],
    ),
    Command(
        "explain",
        "Tell one document's way: its record, charset, signals, objections, partner, tokens.",
        example="kakehi explain manifests/quickstart.yaml https://httpd.example/ja/howto/auth.html",
        params=[MANIFEST, click.Argument(["document"], metavar="URL|ID"), WORK, LIMIT],
    ),
    Command(
        "lookup",
        "Lead a token, sample or training step back to its documents, or a document to its tokens.",
        example="kakehi lookup work/pack/0123456789abcdef/quickstart_text_document --token 1000",
        params=[
            click.Argument(["prefix"], type=click.Path(path_type=Path)),
            click.Option(
                ["--token"],
                type=click.IntRange(min=0, max=2**63 - 1),
                help="Position in the .bin, from 0.",
            ),
            click.Option(
                ["--sample"],
                type=click.IntRange(min=0, max=2**63 - 1),
                help="Number of a training sample.",
            ),
            click.Option(
                ["--step"],
                type=click.IntRange(min=0),
                help="Of a training; with --rank and the next three.",
            ),
            click.Option(["--rank"], type=click.IntRange(min=0), default=0, help="Data-parallel rank."),
            click.Option(
                ["--micro-batch"], type=click.IntRange(min=1), default=1, help="Rows of a rank at a time."
            ),
            click.Option(
                ["--data-parallel"], type=click.IntRange(min=1), default=1, help="Data-parallel size."
            ),
            click.Option(["--global-batch"], type=click.IntRange(min=1), help="Samples of a step."),
            click.Option(
                ["--consumed"], type=click.IntRange(min=0), default=0, help="Samples before step 0."
            ),
            click.Option(["--document"], metavar="URL|ID", help="A document: every place its tokens are at."),
            click.Option(
                ["--withdrawn"],
                metavar="LIST",
                type=click.Path(path_type=Path),
                help="A list of hosts, URLs and ids, as `withdraw` takes it: every place that holds tokens of these.",
            ),
            MAPS,
        ],
    ),
    Command(
        "quickstart",
        "Copy the demo's manifest, pages and machine files into an empty folder.",
        example="kakehi quickstart manifests",
        params=[click.Argument(["target"], type=FOLDER, metavar="FOLDER")],
    ),
    Command(
        "sweep",
        "Say what rules cost and what other bounds would keep, from measured signals alone.",
        example="kakehi sweep manifests/quickstart.yaml --set kana_share.min=0.15",
        params=[
            MANIFEST,
            WORK,
            LIMIT,
            click.Option(
                ["--set", "changes"],
                multiple=True,
                metavar="SIGNAL.BOUND=VALUE",
                help="What if this bound were that; `null` for none.",
            ),
            click.Option(
                ["--compare"],
                nargs=2,
                metavar="SET SET",
                help="Where two rule sets disagree; `manifest` is the manifest's own rules.",
            ),
            click.Option(
                ["--signal", "signals"], multiple=True, help="One more signal to draw the values of."
            ),
            click.Option(
                ["--samples"],
                type=click.IntRange(0, 100),
                default=3,
                show_default=True,
                help="Documents of each corner.",
            ),
            click.Option(["--to", "target"], type=FOLDER, help="Folder for Parquet files and sweep.html."),
        ],
    ),
    Command(
        "report",
        "Print the funnel and where the report lies.",
        example="kakehi report manifests/quickstart.yaml",
        params=[MANIFEST, WORK, LIMIT],
    ),
    Command(
        "export",
        "Copy the exported text out of the work folder.",
        example="kakehi export manifests/quickstart.yaml --to corpus/",
        params=[
            MANIFEST,
            WORK,
            LIMIT,
            click.Option(["--to", "target"], type=FOLDER, required=True, help="Empty folder to fill."),
        ],
    ),
    Command(
        "defaults",
        "Print the manifest with every default written in.",
        example="kakehi defaults manifests/quickstart.yaml",
        params=[MANIFEST],
    ),
    Command(
        "clean",
        "Remove what none of these manifests reaches.",
        example="kakehi clean manifests/quickstart.yaml --yes",
        params=[
            click.Argument(["manifests"], nargs=-1, required=True, type=FILE, metavar="MANIFEST..."),
            WORK,
            click.Option(["--yes"], is_flag=True, help="Remove; without it, only say what would go."),
        ],
    ),
)
