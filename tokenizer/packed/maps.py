"""Index maps as Megatron caches them, written beforehand, so that loading builds nothing.

Sample k is entry j = shuffle_index[k]; it begins at sample_index[j] = (place in document_index, token in that sequence),
and ends with the first token of entry j + 1. With lanes the entries go lane after lane, whatever the order of the file:
a rank then reads its entries, and the label at a tile's end, from pages that it reads anyway.

Source: megatron-core 0.16.1, `megatron/core/datasets/gpt_dataset.py` and `megatron_dataset.py`; for the fork,
Fugaku-LLM/DeepSpeedFugaku 74753f95, `megatron/data/gpt_dataset.py`; EleutherAI/gpt-neox ea7aefd8,
`megatron/data/gpt2_dataset.py` and `data_utils.py`.
"""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

import numpy as np

from kakehi.arrays import AnyN, Int32N, Int64N, UInt32N

from .lanes import Lanes
from .pieces import PieceIndex

Split = Literal["train", "valid"]

MASKING: Final = "--dataloader-inter-document-masking"
"""megatron-core's flag, from 0.19, that keeps sequences of the `.idx` from each other; not in its cache's name."""

_BLOCK: Final = 1 << 20
_ARRAYS: Final = ("document", "sample", "shuffle")


class Maps(NamedTuple):
    """What a job asks of one prefix.

    Args:
        prefix: as the command line has it: relative, no `./` in front.
        layout: of its rows.
        sequence_tokens: S.
        samples: that the job asks for (`--train-samples`).
        seed: Megatron's `--seed`.
        split: `train` or `valid`.
        shuffled: whether the readers go in Megatron's own random order; else as the lanes say.
        pieces: the index, if its sequences are pieces of documents; null where they are tiles.
        behind: sequences of the file in front of the layout's first.
    """

    prefix: str
    layout: Lanes
    sequence_tokens: int
    samples: int
    seed: int
    split: Split
    shuffled: bool
    pieces: PieceIndex | None = None
    behind: int = 0


def description(maps: Maps, tokenizer: Mapping[str, Any]) -> str:
    """Spell what megatron-core asks for; the cache's name is its md5.

    Args:
        maps: of one prefix, given as `--train-data-path` or `--valid-data-path`.
        tokenizer: the tokenizer's `unique_identifiers`, in its own order.
    """
    asked = {
        "class": "GPTDataset",
        "dataset_path": maps.prefix,
        "num_samples": maps.samples,
        "index_split": maps.split,
        "random_seed": maps.seed,
        "sequence_length": maps.sequence_tokens,
        "split": None,
        "split_matrix": None,
        "tokenizer": dict(tokenizer),
    }
    return json.dumps(asked, indent=4)


def core_names(maps: Maps, tokenizer: Mapping[str, Any]) -> dict[str, str]:
    """Name megatron-core's cache files: `description`, `document`, `sample` and `shuffle`."""
    digest = hashlib.md5(description(maps, tokenizer).encode(), usedforsecurity=False).hexdigest()
    base = f"{digest}-GPTDataset-{maps.split}"
    return {
        "description": f"{base}-description.txt",
        **{name: f"{base}-{name}_index.npy" for name in _ARRAYS},
    }


def fork_names(maps: Maps) -> dict[str, str]:
    """Name the files that the 2022 fork on Fugaku looks for beside its prefix: `document`, `sample`, `shuffle`."""
    return _names_beside(maps, maps.split, maps.samples, "")


def neox_names(maps: Maps, *, alone: bool) -> dict[str, str]:
    """Name the files that GPT-NeoX looks for beside its prefix: `document`, `sample`, `shuffle`.

    Args:
        maps: of one prefix.
        alone: whether the job has it as `data_path`, without validation; else it is the one of `train_data_paths` or
            `valid_data_paths`.
    """
    # Of each prefix on a list it asks for half a percent more than it reads.
    split, samples = (maps.split, maps.samples) if alone else (f"{maps.split}_0", over_asked(maps.samples))
    return _names_beside(maps, split, samples, "_packedpi_ac")


def over_asked(samples: int) -> int:
    """Say for how many samples GPT-NeoX names the maps of a prefix on a list, of which a job reads so many."""
    return math.ceil(samples * 1.005)  # in floats, as it does


def _names_beside(maps: Maps, split: str, samples: int, ending: str) -> dict[str, str]:
    base = f"{maps.prefix}_{split}_indexmap_{samples}ns_{maps.sequence_tokens}sl_{maps.seed}s{ending}"
    short = {"document": "doc", "sample": "sample", "shuffle": "shuffle"}
    return {name: f"{base}_{short[name]}_idx.npy" for name in _ARRAYS}


class Array(NamedTuple):
    """An array as it must be: dtype, shape, and its values at some places of the first axis."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    values: Callable[[Int64N], AnyN]

    def blocks(self) -> Iterator[tuple[int, AnyN]]:
        """Yield the values block by block, with the place of each block's first."""
        for start in range(0, self.shape[0], _BLOCK):
            places = np.arange(start, min(start + _BLOCK, self.shape[0]), dtype=np.int64)
            yield start, np.ascontiguousarray(self.values(places), self.dtype)


def arrays(maps: Maps, *, more: int = 0) -> dict[str, Array]:
    """Say what `document`, `sample` and `shuffle` must hold.

    Args:
        maps: of one prefix.
        more: entries of `shuffle` beyond the samples: GPT-NeoX reads one less than there are.

    Raises:
        ValueError: more training samples than the file has: a second epoch belongs into the mix, where it is packed
            anew; or more rows than readers can number.
    """
    layout, order = maps.layout, None
    sequences = layout.sequences if maps.pieces is None else maps.pieces.sequences
    if maps.split == "train" and maps.samples > layout.samples:
        raise ValueError(
            f"samples: got {maps.samples:,}, wanted {layout.samples:,} at most: there are no more"
            "\nhint: ask for fewer, or give sources more epochs in pack.mix"
        )
    total = max(layout.samples, maps.samples)
    if sequences >= 2**31 or max(layout.rows, total) >= 2**32 - 1:
        counted = f"{layout.rows:,} in {sequences:,} sequences for {total:,} samples"
        raise ValueError(f"rows: got {counted}, wanted less than 2**31 sequences and 2**32 - 1 samples")
    shuffled: Int32N | None = None
    if maps.shuffled:  # as Megatron shuffles; only the guard stays where it is
        state = np.random.RandomState(maps.seed)
        shuffled = np.arange(layout.sequences, dtype=np.int32)
        state.shuffle(shuffled[:-1])
        order = np.arange(layout.samples, dtype=np.uint32)
        state.shuffle(order)
        if maps.pieces is not None:  # the same rows in the same order; but pieces stay where their row is
            order = shuffled[order].astype(np.uint32)

    def documents(places: Int64N) -> AnyN:
        if maps.pieces is not None:
            return places
        return maps.behind + (layout.sequence_at(places) if shuffled is None else shuffled[places])

    return {
        "document": Array(np.dtype("<i4"), (sequences,), documents),
        "sample": Array(np.dtype("<i4"), (total + 1, 2), lambda entries: _sample_index(maps, entries)),
        "shuffle": Array(
            np.dtype("<u4"), (total + more,), lambda samples: _shuffle_index(maps, order, samples)
        ),
    }


def write_arrays(maps: Maps, folder: Path, names: Mapping[str, str], *, more: int = 0) -> None:
    """Write the three arrays, block by block; `more` and what it raises as in `arrays`."""
    for name, array in arrays(maps, more=more).items():
        with (folder / names[name]).open("wb") as file:
            head = {"descr": array.dtype.str, "fortran_order": False, "shape": array.shape}
            np.lib.format.write_array_header_1_0(file, head)
            for _, values in array.blocks():
                file.write(values.data)


def link(folder: Path, names: Mapping[str, str], others: Mapping[str, str]) -> None:
    """Give arrays that are there other names too, without a copy where the file system can."""
    for name in _ARRAYS:
        array, other = folder / names[name], folder / others[name]
        try:
            os.link(array, other)
        except OSError:  # FUSE, LTFS and vfat know no second name
            shutil.copyfile(array, other)


def _sample_index(maps: Maps, entries: Int64N) -> Int32N:
    """Say where entries begin; those behind the last row are asked for by nobody, and make up the number alone."""
    if maps.pieces is not None:  # an entry is a row of the file
        first = np.zeros(len(entries), np.int64)
        inside = int(np.count_nonzero(entries < maps.layout.rows))  # entries come in their order
        first[:inside] = maps.pieces.first_of(int(entries[0]), inside)
        return np.stack([first, np.zeros_like(first)], axis=1).astype(np.int32)
    place, row = maps.layout.place_of(np.where(entries < maps.layout.rows, entries, 0))
    return np.stack([place, row * maps.sequence_tokens], axis=1).astype(np.int32)


def _shuffle_index(maps: Maps, order: UInt32N | None, samples: Int64N) -> UInt32N:
    once = samples % maps.layout.samples
    if order is not None:
        return order[once]
    of_lanes = maps.layout.row_of if maps.pieces is not None else maps.layout.turn_of
    return of_lanes(once).astype(np.uint32)


def core_flags(train: Maps, valid: Maps | None, cache: str, job: Sequence[str]) -> list[str]:
    """Write the flags that go with megatron-core's caches, to be used from the folder of the binaries.

    Args:
        train: maps for training.
        valid: maps for validation, if the job evaluates.
        cache: the folder of the maps, from there.
        job: how long it trains, how often it evaluates, with which tokenizer.
    """
    return [
        f"--train-data-path {train.prefix}",
        *([f"--valid-data-path {valid.prefix}"] if valid else []),
        f"--data-cache-path {cache}",
        "--dataloader-fast-cache-load",
        f"--seq-length {train.sequence_tokens}",
        f"--seed {train.seed}",
        *job,
        "--eod-mask-loss",
    ]


def core_notes(train: Maps, *, masking: bool) -> list[str]:
    """Say in sentences what megatron-core's flags can't have, as a file of flags has no room for a comment."""
    if train.pieces is None:
        said = f"{MASKING} would mask nothing here: it keeps sequences of the .idx from each other, and these are tiles of rows."
        return [f"{said} pack: {{sequences: pieces}} makes them pieces of documents, with the same .bin."]
    notes = [
        "The sequences are pieces of documents: a reader that builds its own maps shuffles them, and no row stays whole."
    ]
    if masking:
        notes.append(
            f"{MASKING} needs megatron-core 0.19 or newer, Transformer Engine's attention, no context parallelism, "
            "and no pipeline stage between the first and the last."
        )
    return notes


def fork_flags(train: Maps, valid: Maps | None, cache: str, job: Sequence[str]) -> list[str]:
    """Write the flags that go with the 2022 fork's maps, to be used from the folder of the binaries.

    Args:
        train: maps for training.
        valid: maps for validation, of the same prefix: the fork knows one, and finds them beside it by their names alone.
        cache: the folder of the maps, from there.
        job: how long it trains, how often it evaluates.
    """
    names = fork_names(train)
    split = f"{valid.behind},{valid.layout.sequences},0" if valid else "100,0,0"
    return [
        f"--data-path {train.prefix}",
        "--data-impl mmap",
        f"--split {split}",
        "--use-cached-dataset",
        f"--train-doc-idx-path {cache}/{names['document']}",
        f"--train-sample-idx-path {cache}/{names['sample']}",
        f"--train-shuffle-idx-path {cache}/{names['shuffle']}",
        f"--seq-length {train.sequence_tokens}",
        f"--seed {train.seed}",
        f"--train-tokens {train.samples * train.sequence_tokens}",
        *job,
        "--eod-mask-loss",
    ]


def neox_config(train: Maps, valid: Maps | None, cache: str, job: Sequence[str]) -> list[str]:
    """Write the lines of YAML that go with GPT-NeoX's maps, from beside the binaries alone, and with the job's schedule."""
    kinds = {"train": train, "valid": valid, "test": valid}  # where there is one there must be all
    lists = [f"{kind}_data_paths: [{asked.prefix}]" for kind, asked in kinds.items() if asked]
    return [
        f"# Beside the binaries: ln -s {cache}/*_packedpi_ac_*_idx.npy .",
        f"# train_iters × train_batch_size must be {train.samples}, or it silently makes maps of its own.",
        *(lists if valid else [f"data_path: {train.prefix}", 'split: "100,0,0"']),
        *job,
        "data_impl: mmap",
        "mmap_warmup: false",
        "pack_impl: packed",
        f"seq_length: {train.sequence_tokens}",
        f"seed: {train.seed}",
        "eod_mask_loss: true",
    ]
