"""index: the maps that Megatron would build at its first start, made beforehand; no token is read or moved."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.errors import ParameterError
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.pack.job_tokenizer import JobTokenizer, find_tokenizer
from kakehi.pipeline.stages.pack.packed_manifest import MANIFEST
from kakehi.pipeline.stages.pack.refusals import refuse_index
from kakehi.pipeline.stages.pack.schedule import Schedule
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.store import Counts
from kakehi.tokenizer.packed import maps
from kakehi.tokenizer.packed.checking import layout_of
from kakehi.tokenizer.packed.maps import Maps
from kakehi.tokenizer.packed.pieces import open_pieces

Reader = Literal["core", "fork", "neox"]

#: Said where the manifest is read, and by the stage for binaries that others made.
MASKS_NOTHING: Final = (
    "{}.inter_document_masking: got true for sequences that are tiles, wanted pieces: "
    "megatron-core masks by sequences, and would mask nothing"
)
PACK_PIECES: Final = "pack: {sequences: pieces} keeps the .bin as it is and writes another .idx"


class Job(BaseModel):
    """A training job that index maps are written for.

    Args:
        micro_batch: rows of a step for one rank at a time.
        data_parallel: ranks that read.
        global_batch: rows of a step; null for one micro batch a rank. For `kakehi plan`, as the next three.
        readers: processes that open the files; null for two a rank (megatron-core: first and last pipeline stage).
        nodes: of the job; null for one a reader.
        copies: of the files, each on a volume of its own; a reader takes one of them.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    micro_batch: Annotated[int, Field(ge=1)] = 1
    data_parallel: Annotated[int, Field(ge=1)]
    global_batch: Annotated[int, Field(ge=1)] | None = None
    readers: Annotated[int, Field(ge=1)] | None = None
    nodes: Annotated[int, Field(ge=1)] | None = None
    copies: Annotated[int, Field(ge=1)] = 1


def index(
    inputs: Inputs,
    out: Path,
    engine: Engine,  # noqa: ARG001 - arithmetic, at the speed of the disk
    *,
    readers: list[Reader] = ["fork"],  # noqa: B006 - pydantic copies defaults
    tokenizer: JobTokenizer | None = None,
    schedule: Schedule | None = None,
    seed: Annotated[int, Field(ge=0, lt=1 << 32)] = 1234,
    jobs: list[Job] = [],  # noqa: B006, ARG001 - held to the lanes when the manifest is read
    inter_document_masking: bool = False,
) -> Counts:
    """Write index maps and the flags that go with them.

    Args:
        inputs: the binaries.
        out: folder for `cache/`, `flags-*` and, for `core`, `sequences.json` and `notes-core.txt`.
        engine: not used.
        readers: `core` for megatron-core 0.16 and newer, `fork` for the one used on Fugaku in 2024, `neox` for
            GPT-NeoX.
        tokenizer: that a job of megatron-core builds; for `core`, whose caches it names.
        schedule: of the job; null for every training sample there is, and no evaluation.
        seed: Megatron's `--seed`.
        jobs: that will read these files: each must suit the lanes.
        inter_document_masking: whether the flags of `core` keep documents from each other; for `pack.sequences: pieces`.
    """
    packed, asked = inputs.artifacts["packed"], schedule or Schedule()
    about = json.loads((packed / MANIFEST).read_bytes())
    train, valid = _asked(packed, about, asked, seed)
    if inter_document_masking and train.pieces is None:
        raise ParameterError(MASKS_NOTHING.format("index"), hint=PACK_PIECES)
    (out / "cache").mkdir()
    # From the folder of the binaries, wherever both are moved to together.
    cache = os.path.relpath(inputs.scratch.with_name("cache"), packed)
    steps = asked.training_flags(train.samples)
    behind = _behind(about["binaries"][train.prefix], train, valid)
    often = asked.evaluation_flags() if behind else ["--eval-iters 0"]
    steps_of = train._replace(samples=asked.neox_samples(train.samples))
    neox = asked.neox_config(train.samples, evaluates=valid is not None)
    flags: dict[Reader, list[str]] = {
        "fork": maps.fork_flags(train, behind, cache, [*steps, *often]),
        "neox": maps.neox_config(steps_of, valid, cache, neox),
    }
    identities: list[dict[str, Any]] = []
    if "core" in readers and tokenizer is not None:
        path, named = _name_tokenizer(tokenizer, packed, about["eod"])
        identities = tokenizer.identities(path)
        job = [*steps, *asked.evaluation_flags(), *named]
        masking = [maps.MASKING] if inter_document_masking else []
        flags["core"] = [*maps.core_flags(train, valid, cache, job), *masking]
    for one in filter(None, (train, valid)):
        forks = (train if one is train else behind) if "fork" in readers else None
        _write(one, out / "cache", identities, forks)
        if "neox" in readers:
            whole = steps_of if one is train else one
            maps.write_arrays(one, out / "cache", maps.neox_names(whole, alone=valid is None), more=1)
    for reader in readers:
        text = "".join(f"{flag}\n" for flag in flags[reader])
        (out / f"flags-{reader}.{'yml' if reader == 'neox' else 'txt'}").write_text(text, encoding="utf-8")
    if "core" in readers:
        (out / "sequences.json").write_text(json.dumps(_sequences(about)) + "\n", encoding="utf-8")
        notes = maps.core_notes(train, masking=inter_document_masking)
        (out / "notes-core.txt").write_text("".join(f"{note}\n" for note in notes), encoding="utf-8")
    return {"train_samples": train.samples, "validation_samples": valid.samples if valid else 0}


def _sequences(about: Mapping[str, Any]) -> dict[str, list[int]]:
    """Count sequences and entries of the document index, for `--per-dataset-sequences-path`."""
    binaries, counts = about["binaries"], {}
    for name, told in binaries.items():
        behind = binaries[told["behind"]["binary"]]["sequences"] if "behind" in told else 0
        count = told["sequences"] + behind
        counts[name] = [count, count + 1]  # each sequence is a document of its own
    return counts


def _asked(packed: Path, about: Mapping[str, Any], schedule: Schedule, seed: int) -> tuple[Maps, Maps | None]:
    found = {
        kind: [n for n, b in about["binaries"].items() if b["for"] == kind]
        for kind in ("training", "validation")
    }
    if len(found["training"]) != 1:
        raise ParameterError(
            f"index: got {len(found['training'])} binaries for training, wanted one: Megatron makes the maps of blends itself",
            hint="leave index out, or raise pack.file_gb",
        )

    def maps_of(name: str, split: maps.Split, samples: int) -> Maps:
        return Maps(
            prefix=name,
            layout=layout_of(about["binaries"][name]),
            sequence_tokens=about["sequence_tokens"],
            samples=samples,
            seed=seed,
            split=split,
            shuffled=split == "train" and about["layout"] == "stock",
            pieces=open_pieces(packed / name, about),
        )

    [name] = found["training"]
    there = layout_of(about["binaries"][name]).samples
    samples = schedule.training(there)
    if samples > there:
        raise ParameterError(
            f"index.schedule: got {samples:,} samples for training, wanted {there:,} at most: there are no more",
            hint=f"{schedule.most_training(there)}; or give sources more epochs in pack.mix",
        )
    wanted = schedule.validation(samples)
    if wanted and not found["validation"]:
        raise ParameterError(
            "index.schedule: got evaluation, wanted none: no document is held out for it",
            hint="raise pack.validation_rows, or say eval_iters: 0",
        )
    valid = maps_of(found["validation"][0], "valid", wanted) if wanted else None
    return maps_of(name, "train", samples), valid


def _name_tokenizer(asked: JobTokenizer, packed: Path, eod: int) -> tuple[str, list[str]]:
    """Give the path by which the job finds its tokenizer, and the flags that say so; none for one of its own."""
    if asked.type is None:
        return "", []
    beside = find_tokenizer(packed, asked.type, eod)
    path = asked.path or beside
    return path, [f"--tokenizer-type {asked.type}", f"--tokenizer-model {path}"]


def _behind(told: Mapping[str, Any], train: Maps, valid: Maps | None) -> Maps | None:
    """Say what a reader that knows one prefix asks for validation: rows behind those for training, if there are any."""
    if valid is None or "behind" not in told:
        return None
    return valid._replace(prefix=train.prefix, behind=told["sequences"])


def _write(asked: Maps, cache: Path, identities: Sequence[Mapping[str, Any]], forks: Maps | None) -> None:
    """Write the arrays once, under the names of each reader; once more for the fork where these are of another prefix."""
    named = [maps.core_names(asked, identity) for identity in identities]
    for names, identity in zip(named, identities, strict=True):
        (cache / names["description"]).write_text(maps.description(asked, identity), encoding="utf-8")
    if forks == asked:
        named.append(maps.fork_names(asked))
    elif forks:
        maps.write_arrays(forks, cache, maps.fork_names(forks))
    for names in named[:1]:
        maps.write_arrays(asked, cache, names)
    for names in named[1:]:
        maps.link(cache, named[0], names)


STAGE = Stage(
    run=index,
    shape="corpus",
    reads=("packed",),
    writes="maps",
    version=2,
    libraries=("numpy",),
    refuse=refuse_index,
)
