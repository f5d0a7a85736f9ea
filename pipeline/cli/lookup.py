"""Commands on a packed prefix: `kakehi lookup`, and what `kakehi check PREFIX` does."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from kakehi.pipeline.cli.options import MAPS, Example
from kakehi.pipeline.cli.plan_view import shown
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.inspection.provenance import faults, open_packed
from kakehi.pipeline.stages.withdrawals import read_withdrawals
from kakehi.tokenizer.packed.lanes import Parallel, samples_of_step


@click.command(
    cls=Example, example="kakehi lookup work/pack/0123456789abcdef/quickstart_text_document --token 1000"
)
@click.argument("prefix", type=click.Path(path_type=Path))
@click.option("--token", type=click.IntRange(min=0, max=2**63 - 1), help="Position in the .bin, from 0.")
@click.option("--sample", type=click.IntRange(min=0, max=2**63 - 1), help="Number of a training sample.")
@click.option("--step", type=click.IntRange(min=0), help="Of a training; with --rank and the next three.")
@click.option("--rank", type=click.IntRange(min=0), default=0, help="Data-parallel rank.")
@click.option("--micro-batch", type=click.IntRange(min=1), default=1, help="Rows of a rank at a time.")
@click.option("--data-parallel", type=click.IntRange(min=1), default=1, help="Data-parallel size.")
@click.option("--global-batch", type=click.IntRange(min=1), help="Samples of a step.")
@click.option("--consumed", type=click.IntRange(min=0), default=0, help="Samples before step 0.")
@click.option("--document", metavar="URL|ID", help="A document: every place its tokens are at.")
@click.option(
    "--withdrawn",
    metavar="LIST",
    type=click.Path(path_type=Path),
    help="A list of hosts, URLs and ids, as `withdraw` takes it: every place that holds tokens of these.",
)
@MAPS
def lookup(
    prefix: Path,
    token: int | None,
    sample: int | None,
    step: int | None,
    rank: int,
    micro_batch: int,
    data_parallel: int,
    global_batch: int | None,
    consumed: int,
    document: str | None,
    withdrawn: Path | None,
    cache: Path | None,
) -> None:
    """Lead a token, sample or training step back to its documents, or a document to its tokens."""
    if sum(asked is not None for asked in (token, sample, step, document, withdrawn)) != 1:
        raise click.UsageError("wanted one of --token, --sample, --step, --document, --withdrawn")
    packed = open_packed(prefix)
    found: object
    if token is not None:
        found = packed.token(token)
    elif document is not None:
        found = packed.documents(document)
    elif withdrawn is not None:
        found = packed.withdrawn(read_withdrawals(withdrawn))
    elif sample is not None:
        found = packed.samples(np.array([sample]), cache)[0]
    else:
        parallel = Parallel(micro_batch, data_parallel)
        batch = global_batch or micro_batch * data_parallel
        try:
            samples = samples_of_step(step or 0, rank, parallel, global_batch=batch, consumed=consumed)
        except ValueError as error:
            raise click.UsageError(str(error)) from error
        found = packed.samples(samples, cache)
    click.echo(json.dumps(found, ensure_ascii=False, indent=1))


def check_packed(prefix: Path, cache: Path | None) -> None:
    """Say that a prefix, and its index maps where their folder is given, are whole.

    Raises:
        DataError: they are not.
    """
    packed = open_packed(prefix)
    found = list(faults(packed, cache))
    if found:
        raise DataError(
            "\n".join(found), hint="copy it again, or run again: what is not as it was is made anew"
        )
    told = packed.about["binaries"][prefix.name]
    size = sum(file["bytes"] for file in told["files"].values())
    maps = f", maps in {shown(cache)} checked too" if cache else ""
    click.echo(
        f"{prefix}: {told['rows']:,} rows, {told['tokens']:,} tokens, {size:,} bytes, no fault found{maps}"
    )
