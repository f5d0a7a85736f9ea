"""What a training job asks of the steps before `index`: a tokenizer of its type, its end mark, rows held out, whole batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kakehi.pipeline.manifest.model import StepSpec, writers_of
from kakehi.pipeline.manifest.yaml_tree import YamlFile
from kakehi.pipeline.stages.pack.schedule import Schedule


def check_jobs(reading: YamlFile, steps: Sequence[StepSpec]) -> None:
    """Refuse index maps that no job would find or could train with, as far as a manifest tells."""
    for at, step in enumerate(steps):
        if step.stage.name != "index":
            continue
        asked = step.parameters
        for place, said in _batches(asked):
            reading.fault((step.key, place), f"{step.key}.{place}: {said}")
        if "core" not in asked["readers"]:
            continue
        found = [*_tokenizers(asked, step, steps[:at]), *_evaluations(asked, step, steps[:at])]
        for place, said in found:
            reading.fault((step.key, place), f"{step.key}.{place}: {said}")


def _batches(asked: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Hold the ranks of each job to the one global batch of the schedule."""
    batch = (asked["schedule"] or {}).get("global_batch")
    for job in asked["jobs"] if batch else ():
        micro, ranks = job["micro_batch"], job["data_parallel"]
        if batch % (micro * ranks):
            said = f"wanted a multiple of {micro} × {ranks}, micro batch × ranks of a job"
            yield "schedule", f"global_batch: got {batch}, {said}"
        if job["global_batch"] not in {None, batch}:
            yield (
                "jobs",
                f"global_batch: got {job['global_batch']}, wanted {batch}, that of schedule, or none",
            )


def _tokenizers(
    asked: Mapping[str, Any], step: StepSpec, before: Sequence[StepSpec]
) -> Iterator[tuple[str, str]]:
    """Refuse types that read no file of the tokenizer, or take another piece for the end of a document."""
    told = asked["tokenizer"]
    if told is None:
        said = "reader core names caches by it: wanted {type: SentencePieceTokenizer}"
        yield "tokenizer", f"{said}, or another of Megatron's --tokenizer-type"
        return
    if told["type"] in {None, "HuggingFaceTokenizer"}:
        return
    for train in writers_of("tokenizer", before, step.origin):
        existing = train.parameters["existing"]
        if existing is not None and existing.suffix == ".json":
            said = f"type: got {told['type']}, which reads no tokenizer.json"
            yield "tokenizer", f"{said}, wanted HuggingFaceTokenizer"
        for encode in (other for other in before if other.stage.name == "encode" and existing is None):
            eod = encode.parameters["eod"]
            if eod != "</s>":
                said = f"type: {told['type']} ends documents with '</s>', and encode.eod is {eod!r}"
                yield "tokenizer", f"{said}: --eod-mask-loss would mask none; wanted encode: {{eod: </s>}}"


def _evaluations(
    asked: Mapping[str, Any], step: StepSpec, before: Sequence[StepSpec]
) -> Iterator[tuple[str, str]]:
    """Refuse evaluation on nothing, and rows held out of which nobody says when they are read."""
    wanted = Schedule(**(asked["schedule"] or {})).evaluates
    for packed in writers_of("packed", before, step.origin):
        rows = packed.parameters["validation_rows"]
        if wanted and not rows:
            said = "the job evaluates, and no document is held out"
            yield "schedule", f"{said}: wanted pack.validation_rows, or eval_iters: 0"
        elif wanted is None and rows:
            said = f"pack holds {rows} rows out for validation: wanted global_batch, eval_interval and eval_iters"
            yield "schedule", f"{said}, by which Megatron asks for them, or eval_iters: 0"
