"""`kakehi lookup`."""

from __future__ import annotations

import json
from pathlib import Path

import click
import numpy as np

from kakehi.pipeline.cli.terminal import say
from kakehi.pipeline.inspection.provenance import open_packed
from kakehi.pipeline.printable import show_json
from kakehi.pipeline.stages.withdrawals import read_withdrawals
from kakehi.tokenizer.packed.lanes import Parallel, samples_of_step


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
        documents = packed.documents(document)
        if len(documents) > 1:
            say(f"{len(documents):,} documents have the name {document}", err=True)
        found = documents
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
    say(show_json(json.dumps(found, ensure_ascii=False, indent=1)))
