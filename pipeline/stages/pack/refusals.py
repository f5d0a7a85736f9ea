"""What `pack` and `index` refuse when the manifest is read: rows no reader can count, a mix of nothing, uneven batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from kakehi.pipeline.errors import nearest
from kakehi.pipeline.stages.stage import Asked, Fault
from kakehi.pipeline.stages.tokenizer_refusals import vocab_sizes
from kakehi.tokenizer.packed.indexed import token_dtype


def refuse_pack(asked: Asked) -> Iterator[Fault]:
    """Refuse a mix that gives no row, and sizes that do not go together."""
    if asked.parameters["mix"] is not None:
        yield from _refuse_mix(asked.parameters["mix"], list(asked.sources), asked.parameters)
    sizes = [name for name, _ in asked.parameters["copies"]]
    for size in sorted({size for size in sizes if sizes.count(size) > 1}):
        yield ("copies",), f"names the size {size} more than once"
    yield from _refuse_behind(asked.parameters)
    for vocab_size in vocab_sizes(asked.upstream["tokenizer"]):
        row_bytes = asked.parameters["sequence_tokens"] * token_dtype(vocab_size).itemsize
        yield from _refuse_sizes(asked.parameters, row_bytes)


def _refuse_behind(parameters: Mapping[str, Any]) -> Iterator[Fault]:
    if parameters["validation_behind"] and not parameters["validation_rows"]:
        yield ("validation_behind",), "got true, and nothing is held out; give validation_rows"
    if parameters["validation_behind"] and parameters["sequences"] == "pieces":
        said = "got true for sequences that are pieces, wanted tiles: rows behind the guard begin in no row"
        yield ("validation_behind",), said


def _refuse_mix(
    mix: Mapping[str, Mapping[str, Any]], sources: Sequence[str], parameters: Mapping[str, Any]
) -> Iterator[Fault]:
    for name in mix.keys() - set(sources):
        yield ("mix", name), f"no source of this name{nearest(name, sources)}"
    for name in set(sources) - mix.keys():
        yield ("mix",), f"lacks the source {name!r}; {name}: {{epochs: 0}} leaves it out"
    weighted = sorted(name for name, portion in mix.items() if portion["weight"] is not None)
    if weighted and len(weighted) < len(mix):
        others = sorted(mix.keys() - weighted)
        yield ("mix",), f"got weights beside tokens or epochs of {others}, wanted all or none"
    tokens = parameters["sequence_tokens"]
    if mix and not any(_gives_rows(portion, tokens) for portion in mix.values()):
        yield (
            ("mix",),
            f"asks for nothing: no source gives half a row of {tokens} tokens; null is one epoch of each",
        )


def _gives_rows(portion: Mapping[str, Any], sequence_tokens: int) -> bool:
    """Say whether a portion can come to a row: half of one is rounded up."""
    if portion["tokens"] is not None:
        return bool(2 * portion["tokens"] >= sequence_tokens)
    return bool(portion["epochs"] or portion["weight"])


def _refuse_sizes(parameters: Mapping[str, Any], row_bytes: int) -> Iterator[Fault]:
    is_lanes = parameters["layout"] == "lanes"
    rows, lanes, file_gb = parameters["tile_rows"], parameters["lanes"], parameters["file_gb"]
    if is_lanes and rows * row_bytes >= 1 << 31:
        better = f"{max(1, (1 << 20) // row_bytes)} rows are 1 MiB"
        yield ("tile_rows",), f"got {rows} rows of {row_bytes} bytes, wanted less than 2**31 bytes; {better}"
    fewest = lanes if is_lanes else 1
    if file_gb is not None and file_gb * 1e9 < (fewest + 1) * row_bytes:
        wanted = f"at least {(fewest + 1) * row_bytes / 1e9:.3g}: {fewest} rows and the guard"
        yield ("file_gb",), f"got {file_gb}, wanted {wanted}, of {row_bytes} bytes each"


def refuse_index(asked: Asked) -> Iterator[Fault]:
    """Refuse batches that ranks can't share evenly."""
    for number, job in enumerate(asked.parameters["jobs"]):
        at_once = job["micro_batch"] * job["data_parallel"]
        if job["global_batch"] is not None and job["global_batch"] % at_once:
            said = (
                f"got {job['global_batch']}, wanted a multiple of {at_once}, micro batch × data-parallel size"
            )
            yield ("jobs", number, "global_batch"), said
