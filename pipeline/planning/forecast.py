"""Say of a plan's packed binaries, before there are any, what training on them costs, and which limits they break."""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import replace
from fractions import Fraction
from math import ceil, expm1
from pathlib import Path

from kakehi.pipeline.engines.machine import Limits, Machine
from kakehi.pipeline.errors import ManifestError
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.planning.resolve import receipts_of
from kakehi.pipeline.planning.training_cost import Corpus, Job, drawn
from kakehi.pipeline.planning.training_limits import refusals
from kakehi.pipeline.stages.pack.index import Job as PlannedJob
from kakehi.pipeline.stages.pack.portions import Portion
from kakehi.pipeline.storage.store import Store, merge
from kakehi.tokenizer.encoding import kind_of, open_encoder
from kakehi.tokenizer.packed.indexed import token_dtype
from kakehi.tokenizer.packed.mix import Share, epochs_of


def forecast(
    steps: Sequence[Step], store: Store, machine: Machine, absent: Container[str] = ()
) -> Iterator[str]:
    """Yield lines on every packed corpus and job.

    Args:
        steps: as planned.
        store: the work folder.
        machine: with its limits.
        absent: sources whose files are not there yet.

    Raises:
        ManifestError: a limit is broken; after the lines on what was asked for.
    """
    limits, broken = machine.limits or Limits(), list[str]()
    for step in (step for step in steps if step.stage.name == "pack"):
        tokens = _tokens(step, store, absent)
        if tokens is None:
            yield f"{machine.name}: {step.name}: how many tokens there will be is known once encode has run, or if pack.mix says so"
            continue
        pieces = _pieces(step, tokens, store) if step.parameters["sequences"] == "pieces" else None
        if pieces is None and step.parameters["sequences"] == "pieces":
            yield f"{machine.name}: {step.name}: planned as if its sequences were tiles: how many pieces there will be is known once encode has run"
        corpus = replace(_corpus(step, tokens), pieces=pieces)
        for job in _jobs(step, steps):
            yield from drawn(corpus, job, limits, f"{machine.name}: {step.name}")
            broken += [
                f"{step.name}: {limit}: {said}; nearest that fits: {way_out}"
                for limit, said, way_out in refusals(corpus, job, limits)
            ]
    if broken:
        raise ManifestError(
            "\n".join(dict.fromkeys(broken)),
            hint=f"limits of {machine.name}, with their sources, are in its machine file",
        )


def refuse(step: Step, steps: Sequence[Step], store: Store, machine: Machine) -> None:
    """Hold one step to the limits of the machine that it runs on, as far as the number of tokens is known.

    Raises:
        ManifestError: as in `forecast`.
    """
    if step.stage.name == "pack" and machine.limits is not None:
        for _ in forecast([step, *(other for other in steps if other.stage.name != "pack")], store, machine):
            pass


def _tokens(step: Step, store: Store, absent: Container[str]) -> int | None:
    """Count the tokens for training: as the mix asks, or as encode has made them."""
    mix = step.parameters["mix"]
    shares = {name: Portion(**asked).share for name, asked in (mix or {}).items()}
    if shares and all(share.tokens is not None for share in shares.values()):
        return sum(share.tokens or 0 for share in shares.values())
    counted: dict[str, int] = {}
    for encode in step.upstream["tokens"]:
        receipts = receipts_of(encode, store)
        if str(encode.source) in absent or len(receipts) < len(encode.shards):
            return None
        counted[str(encode.source)] = merge(receipt.counts for receipt in receipts).get("tokens", 0)
    epochs = epochs_of(shares or dict.fromkeys(counted, Share(epochs=Fraction(1))), counted)
    return int(sum(counted[name] * epochs[name] for name in counted))


def _pieces(step: Step, tokens: int, store: Store) -> int | None:
    """Estimate the pieces of as many tokens, as if lengths of documents fell off exponentially."""
    receipts = [receipt for encode in step.upstream["tokens"] for receipt in receipts_of(encode, store)]
    if len(receipts) < sum(len(encode.shards) for encode in step.upstream["tokens"]):
        return None
    counts = merge(receipt.counts for receipt in receipts)
    mean = counts.get("tokens", 0) / max(1, counts.get("encoded", 0))
    return ceil(tokens / mean / -expm1(-step.parameters["sequence_tokens"] / mean)) if mean else None


def _corpus(step: Step, tokens: int) -> Corpus:
    asked = step.parameters
    [train] = step.upstream["tokenizer"]
    size, width = asked["sequence_tokens"], token_dtype(_vocabulary(train)).itemsize
    rows, lanes = ceil(tokens / size), asked["layout"] == "lanes"
    most = int(asked["file_gb"] * 1e9) // (size * width) if asked["file_gb"] else rows
    return Corpus(
        rows=rows,
        sequence_tokens=size,
        token_bytes=width,
        layout=asked["layout"],
        lanes=asked["lanes"] if lanes else 1,
        tile_rows=asked["tile_rows"] if lanes else 1,
        prefixes=ceil(rows / max(1, most)),
    )


def _vocabulary(train: Step) -> int:
    existing = train.parameters["existing"]
    if existing is None:
        return int(train.parameters["vocab_size"])
    path = Path(existing)
    return open_encoder(path.read_bytes(), kind_of(path)).vocab_size


def _jobs(step: Step, steps: Sequence[Step]) -> list[Job]:
    """List the jobs that index steps plan for these binaries; where there are none, one of a rank a lane."""
    planned = [
        PlannedJob(**{**job, "global_batch": job["global_batch"] or schedule.get("global_batch")})
        for other in steps
        if other.stage.name == "index" and step in other.upstream["packed"]
        for schedule in [other.parameters["schedule"] or {}]
        for job in other.parameters["jobs"]
    ]
    lanes = step.parameters["lanes"] if step.parameters["layout"] == "lanes" else 1
    found = []
    for job in planned or [PlannedJob(data_parallel=lanes)]:
        readers = job.readers or 2 * job.data_parallel
        batch = job.global_batch or job.micro_batch * job.data_parallel
        nodes = job.nodes or readers
        found.append(Job(job.micro_batch, job.data_parallel, batch, readers, nodes, job.copies))
    return found
