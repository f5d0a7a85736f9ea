"""Look for faults in a packed prefix and its index maps, as no reader does: a wrong map trains on wrong data in silence.

Every function yields faults as lines that say where, what was got and what was wanted.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow.parquet as pq

from kakehi.arrays import AnyN, Int32N, Int64N

from . import maps
from .indexed import Reader, repeated
from .lanes import Lanes
from .maps import Maps
from .pieces import PieceIndex, open_pieces, sequence_lengths
from .provenance import DAMAGE, first_tokens, path_beside

_BLOCK: Final = 1 << 20
_MOST: Final = 1 << 48
_HEAD: Final = re.compile(
    rb"\{'descr': '([<|][iuf][1248])', 'fortran_order': False, 'shape': \(((?:[0-9]{1,15}, ?)*[0-9]{0,15})\), \}\s*"
)
_NUMBERS: Final = ("num_samples", "random_seed", "sequence_length")
_NAME_BESIDE: Final = re.compile(
    r"(.+)_(train|valid)(_0)?_indexmap_(\d+)ns_(\d+)sl_(\d+)s(_packedpi_ac)?_(?:doc|sample|shuffle)_idx\.npy"
)


def check_binary(prefix: Path, about: Mapping[str, Any]) -> Iterator[str]:
    """Check the pair of files and the table of pieces against `manifest.json`, byte by byte.

    Args:
        prefix: path without `.bin`.
        about: what `manifest.json` beside it says.
    """
    told = about["binaries"].get(prefix.name)
    if told is None:
        yield f"{prefix}: manifest.json knows {sorted(about['binaries'])}, not this name"
        return
    for name, wanted in {**told["files"], **about["files"]}.items():
        path = prefix.with_name(name)
        if not path.exists():
            yield f"{path}: is not there"
        elif path.stat().st_size != wanted["bytes"]:
            yield f"{path}: got {path.stat().st_size:,} bytes, wanted {wanted['bytes']:,}"
        elif _sha256(path) != wanted["sha256"]:
            yield f"{path}: got other bytes than manifest.json says (sha256)"
    try:
        reader = Reader(prefix)
    except (ValueError, OSError) as error:
        yield str(error)
        return
    size, in_pieces = about["sequence_tokens"], about.get("sequences", "tiles") == "pieces"
    own, tokens = len(reader.lengths), reader.tokens
    if "behind" in told and told["sequences"] < own:
        own = told["sequences"]
        tokens = int(reader.offsets[own]) // reader.dtype.itemsize
    if "behind" in told:
        yield from _check_behind(prefix, reader, (own, tokens), told["behind"]["binary"])
    if not in_pieces:
        layout = layout_of(told)
        runs = repeated(layout.runs(size))
        yield from _check_lengths(prefix, reader.lengths[:own], layout.sequences, runs)
    if path_beside(prefix).exists():
        try:
            if in_pieces:
                firsts = _bounded(first_tokens(path_beside(prefix)), reader.tokens)
                lengths = sequence_lengths(firsts, reader.tokens, size)
                yield from _check_lengths(prefix, reader.lengths, told["sequences"], lengths)
            yield from _check_pieces(prefix, reader, about, told, tokens)
        except DAMAGE as error:
            yield f"{path_beside(prefix)}: can't be read ({error or type(error).__name__})"


def check_maps(folder: Path, home: Path, about: Mapping[str, Any]) -> Iterator[str]:
    """Check every map of one prefix in a cache: names, description, and each value of each array.

    Args:
        folder: the cache.
        home: path of the prefix, without `.bin`.
        about: what `manifest.json` beside it says.
    """
    prefix, told = home.name, about["binaries"][home.name]
    try:
        pieces = open_pieces(home, about)
    except (ValueError, OSError) as error:
        yield f"{folder}: no map can be checked: {error}"
        return
    found = 0
    for path in sorted(folder.glob("*-GPTDataset-*_index.npy")):
        description = folder / f"{path.name.rpartition('-')[0]}-description.txt"
        if not description.exists():
            yield f"{path}: has no {description.name} beside it: a reader without the fast flag would build its own"
    for path in sorted(folder.glob("*-GPTDataset-*-description.txt")):
        text = path.read_text(encoding="utf-8", errors="replace")
        digest, split = path.name.split("-")[0], path.name.split("-")[2]
        md5 = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
        if md5 != digest:
            found += prefix in text
            yield f"{path}: got md5 {md5}, wanted that of its name: no reader will ask for this text"
            continue
        asked = _read_description(text)
        if asked is None:
            yield f"{path}: got no description of maps, wanted one that index writes"
        elif asked["dataset_path"] == prefix:
            found += 1
            names = {
                name: f"{digest}-GPTDataset-{split}-{name}_index.npy"
                for name in ("document", "sample", "shuffle")
            }
            wanted = _maps(about, told, prefix, asked["num_samples"], asked["random_seed"], split, pieces)
            yield from _refuse_length(path, asked["sequence_length"], about)
            yield from _check_arrays(folder, names, wanted)
    beside = map(_NAME_BESIDE.fullmatch, (path.name for path in folder.glob(f"{prefix}_*_idx.npy")))
    for split, listed, samples, length, seed, neox in sorted(
        {name.groups("")[1:] for name in beside if name and name[1] == prefix}
    ):
        found += 1
        if max(map(int, (samples, length, seed))) >= _MOST:
            yield f"{folder}: {prefix}_{split}{listed}_indexmap_{samples}ns: got a number that no job asks for"
            continue
        asked_for = _read_samples(int(samples)) if listed else int(samples)
        wanted = _maps(about, told, prefix, asked_for, int(seed), split, pieces)
        named = maps.neox_names(wanted, alone=not listed) if neox else maps.fork_names(wanted)
        yield from _refuse_length(folder / named["document"], int(length), about)
        yield from _check_arrays(folder, named, wanted, more=1 if neox else 0)
    if not found:
        yield f"{folder}: got no map of {prefix!r}, wanted some"


def layout_of(told: Mapping[str, Any]) -> Lanes:
    """Read a binary's layout from what `manifest.json` says of it."""
    return Lanes(**{name: told[name] for name in ("lanes", "tile_rows", "samples", "rows")})


def refuse_rows(prefix: Path, about: Mapping[str, Any]) -> None:
    """Refuse more rows than the `.bin` has bytes for, before anything of their number is made.

    Raises:
        ValueError: there are more.
        OSError: there is no such file.
    """
    path = prefix.with_name(f"{prefix.name}.bin")
    told = about["binaries"][prefix.name]
    wanted = layout_of(told).tokens(about["sequence_tokens"]) * np.dtype(about["dtype"]).itemsize
    if (size := path.stat().st_size) < wanted:
        raise ValueError(f"{path}: got {size:,} bytes, wanted {wanted:,} for the rows of manifest.json")


def open_array(path: Path) -> AnyN:
    """Map an array of plain numbers.

    Raises:
        ValueError: it is none, or its file does not hold as many as its head says.
        OSError: it can't be read.
    """
    with path.open("rb") as file:  # numpy's own reader evaluates the head, and warns of some
        start = file.read(10)
        head = file.read(min(int.from_bytes(start[8:10], "little"), 1 << 12))
    told = _HEAD.fullmatch(head) if start[:8] == b"\x93NUMPY\x01\0" else None
    if told is None:
        raise ValueError(f"{path}: got no head of an array of numbers")
    dtype = np.dtype(told[1].decode())
    shape = tuple(int(size) for size in told[2].replace(b" ", b"").split(b",") if size)
    wanted = len(start) + len(head) + dtype.itemsize * math.prod(shape)
    if (size := path.stat().st_size) != wanted or not shape:
        raise ValueError(f"{path}: got {size:,} bytes, wanted {wanted:,} for its head")
    return np.memmap(path, dtype, "r", offset=len(start) + len(head), shape=shape)


def _read_description(text: str) -> dict[str, Any] | None:
    """Read what a cache was asked for, or None where it is not what a reader of Megatron's would write."""
    try:
        asked = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(asked, dict) or not isinstance(asked.get("dataset_path"), str):
        return None
    numbers = [asked.get(name) for name in _NUMBERS]
    return asked if all(type(one) is int and 0 <= one < _MOST for one in numbers) else None


def _bounded(firsts: Iterable[Int64N], tokens: int) -> Iterator[Int64N]:
    """Pass on places of tokens that rise and lie in the file."""
    at = -1
    for block in firsts:
        if len(block) and (block[0] <= at or block[-1] >= tokens or (np.diff(block) <= 0).any()):
            raise ValueError(f"first_token: got places that do not rise below {tokens:,}")
        at = int(block[-1]) if len(block) else at
        yield block


def _check_lengths(prefix: Path, found: Int32N, count: int, lengths: Iterable[Int64N]) -> Iterator[str]:
    if len(found) != count:
        yield f"{prefix}.idx: got {len(found):,} sequences, wanted {count:,} for its layout"
        return
    start = 0
    for wanted in lengths:
        got = found[start : start + len(wanted)]
        wrong = np.flatnonzero(got != wanted[: len(got)])
        if len(wrong):
            at = start + int(wrong[0])
            yield f"{prefix}.idx: length of sequence {at}: got {found[at]}, wanted {wanted[wrong[0]]}"
            return
        start += len(wanted)
    if start != count:
        yield f"{prefix}.idx: got {count:,} sequences, wanted {start:,} for its pieces"


def _check_behind(prefix: Path, reader: Reader, own: tuple[int, int], name: str) -> Iterator[str]:
    """Hold what lies behind a binary's own sequences and tokens to the binary it is a copy of."""
    sequences, tokens = own
    other = prefix.with_name(name)
    try:
        wanted = Reader(other)
    except (ValueError, OSError) as error:
        yield str(error)
        return
    if not np.array_equal(reader.lengths[sequences:], wanted.lengths):
        yield f"{prefix}.idx: got other sequences behind its own than those of {name}"
        return
    for start in range(0, wanted.tokens, _BLOCK):
        count = min(_BLOCK, wanted.tokens - start)
        if not np.array_equal(reader.ids(tokens + start, count), wanted.ids(start, count)):
            yield f"{prefix}.bin: got other ids behind its own than those of {name}"
            return


def _check_pieces(
    prefix: Path, reader: Reader, about: Mapping[str, Any], told: Mapping[str, Any], bound: int
) -> Iterator[str]:
    """Hold the table of pieces to the tokens: end marks end documents and fill rows, and are nowhere else."""
    size, eod = about["sequence_tokens"], about["eod"]
    at, pieces = 0, 0
    with pq.ParquetFile(path_beside(prefix)) as table:
        for group in range(table.num_row_groups):
            rows = table.read_row_group(group, columns=["first_token", "tokens"])
            first, tokens = (rows[name].to_numpy().astype(np.int64) for name in ("first_token", "tokens"))
            stop, pieces = first + tokens, pieces + len(rows)
            if (first < np.concatenate(([at], stop[:-1]))).any() or (
                first // size != (stop - 1) // size
            ).any():
                yield f"{path_beside(prefix)}: row group {group}: got pieces that overlap or leave their row"
                return
            end = int(stop[-1]) if len(stop) else at
            if end > reader.tokens or (tokens < 1).any():
                yield f"{path_beside(prefix)}: row group {group}: got pieces that overlap or leave their row"
                return
            ids = reader.ids(at, end - at)
            own = np.zeros(end - at + 1, np.int8)
            own[first - at] += 1
            own[stop - at] -= 1
            is_text = np.cumsum(own[:-1], dtype=np.int8).astype(np.bool_)
            if len(ids) != end - at or (ids[~is_text] != eod).any():
                yield f"{prefix}.bin: got padding other than {eod} in tokens {at:,} to {end:,}"
                return
            last = np.zeros(end - at, np.bool_)
            last[stop - at - 1] = True
            if (inside := np.flatnonzero(is_text & ~last & (ids == eod))).size:
                yield f"{prefix}.bin: token {at + int(inside[0]):,}: got the end mark inside a document"
                return
            if ids.max(initial=0) >= about["vocab_size"]:
                yield f"{prefix}.bin: got id {ids.max()}, wanted less than {about['vocab_size']}"
            at = end
    if (reader.ids(at, bound - at) != eod).any():
        yield f"{prefix}.bin: got padding other than {eod} behind token {at:,}"
    if pieces != told["pieces"]:
        yield f"{path_beside(prefix)}: got {pieces:,} pieces, wanted {told['pieces']:,}"


def _maps(
    about: Mapping[str, Any],
    told: Mapping[str, Any],
    prefix: str,
    samples: int,
    seed: int,
    split: str,
    pieces: PieceIndex | None,
) -> Maps:
    behind = 0
    if split == "valid" and "behind" in told:
        behind, told = told["sequences"], about["binaries"][told["behind"]["binary"]]
    return Maps(
        prefix=prefix,
        layout=layout_of(told),
        sequence_tokens=about["sequence_tokens"],
        samples=samples,
        seed=seed,
        split="train" if split == "train" else "valid",
        shuffled=split == "train" and about["layout"] == "stock",
        pieces=pieces,
        behind=behind,
    )


def _refuse_length(path: Path, got: int, about: Mapping[str, Any]) -> Iterator[str]:
    if got != about["sequence_tokens"]:
        yield f"{path}: sequence length: got {got}, wanted {about['sequence_tokens']}"


def _read_samples(named: int) -> int:
    """Give the samples that a job of GPT-NeoX reads, from the number in the name of its maps."""
    near = int(named / 1.005)
    return max(n for n in range(near - 1, near + 2) if maps.over_asked(n) <= named)


def _check_arrays(folder: Path, names: Mapping[str, str], wanted: Maps, *, more: int = 0) -> Iterator[str]:
    if not wanted.layout.samples:
        yield f"{folder / names['document']}: got maps of a binary without samples, wanted none"
        return
    try:
        arrays = maps.arrays(wanted, more=more)
    except ValueError as fault:
        yield f"{folder / names['document']}: asks for what can't be: {fault}"
        return
    for name, array in arrays.items():
        path = folder / names[name]
        if not path.exists():
            yield f"{path}: is not there: a reader without the fast flag would build its own"
            continue
        try:
            got = open_array(path)
        except (ValueError, OSError) as fault:
            yield f"{path}: can't be read as an array ({fault})"
            continue
        if (got.dtype, got.shape) != (array.dtype, array.shape):
            yield f"{path}: got {got.dtype}{list(got.shape)}, wanted {array.dtype}{list(array.shape)}"
            continue
        for start, values in array.blocks():
            wrong = np.argwhere(got[start : start + len(values)] != values)
            if len(wrong):
                at = int(wrong[0][0])
                yield f"{path}: entry {start + at}: got {got[start + at].tolist()}, wanted {values[at].tolist()}"
                break


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
