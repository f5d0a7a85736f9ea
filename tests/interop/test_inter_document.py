"""Under `--dataloader-inter-document-masking` every segment that megatron-core makes holds exactly one document.

Read by the core that is installed, and by one of 0.19, the first to know the flag, in a process of its own.
"""

import itertools
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from kakehi.tokenizer.packed.indexed import Reader

pytest.importorskip("megatron.core", reason="the interop extra is not installed")
pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
S, EOD, SEED, NAME = 32, 2, 1234, "c_text_document"
VALID = "c_valid_text_document"
IDENTIFIERS = {"class": "x.Y", "tokenizer_path": "t.model"}

#: Spare rows and low last tiles, rows that cut documents, other company in a second epoch, random order.
LAYOUTS = {
    "lanes": "lanes: 24, tile_rows: 5",
    "concat": "lanes: 24, tile_rows: 1, packing: concat",
    "two epochs": "lanes: 24, tile_rows: 5, mix: {a: {epochs: 2.5}, b: 4000}",
    "stock": "layout: stock",
}

#: Samples of validation that the job asks for; a data set has all rows all the same.
ASKED = 5

#: What a job may ask of the data set; the second is 0.19's alone.
PLAIN: dict[str, Any] = {}
MASKED = {"inter_document_masking": True}
RESET = {"reset_attention_mask": True, "reset_position_ids": True, "create_attention_mask": True}
BOTH = {**MASKED, "reset_position_ids": True}

#: What the flag changes.
MASKS = {"cu_seqlens", "max_seqlen", "position_ids"}

Read = dict[str, np.ndarray[Any, Any]]


class Packed(NamedTuple):
    """The folder of the binaries of a run and that of its maps."""

    folder: Path
    cache: Path

    @property
    def samples(self) -> list[int]:
        """How many for training and for validation."""
        about = json.loads((self.folder / "manifest.json").read_bytes())
        return [int(about["binaries"][name]["samples"]) for name in (NAME, VALID)]

    @property
    def rows(self) -> np.ndarray[Any, Any]:
        """The row of every sample, by the arrays of the fork."""
        [shuffle] = self.cache.glob(f"{NAME}_train_*_shuffle_idx.npy")
        [sample] = self.cache.glob(f"{NAME}_train_*_sample_idx.npy")
        [document] = self.cache.glob(f"{NAME}_train_*_doc_idx.npy")
        sequence, offset = np.load(sample)[np.load(shuffle)].T
        starts = Reader(self.folder / NAME).offsets[np.load(document)[sequence]] // 2 + offset
        return np.asarray(starts // S)

    def begins(self, name: str = NAME) -> dict[int, list[int]]:
        """Where the pieces of every row begin, by the table of pieces."""
        found: dict[int, list[int]] = {}
        table = pq.read_table(self.folder / f"{name}.provenance.parquet", columns=["first_token"])
        for first in table["first_token"].to_pylist():
            found.setdefault(first // S, []).append(first % S)
        return found


@pytest.fixture(scope="module")
def packed(make, kakehi, tmp_path_factory) -> dict[tuple[str, str], Packed]:
    """Pack the same texts in every layout, with tiles and with pieces; some are longer than ten rows."""
    home = tmp_path_factory.mktemp("run")
    make.texts(home / "a.jsonl", 40, seed="a")
    rows = ({"id": str(i), "text": make.text(("b", i), 1 + i % 60)} for i in range(80))
    make.jsonl(home / "b.jsonl", rows)
    made = {}
    for layout, shape in LAYOUTS.items():
        for sequences in ("tiles", "pieces"):
            manifest = make.file(
                home / f"{layout} {sequences}.yaml",
                "corpus: c\n"
                "sources: {a: {ingest: {files: a.jsonl}}, b: {ingest: {files: b.jsonl}}}\n"
                "train: {vocab_size: 400}\nencode: {eod: </s>}\n"
                f"pack: {{sequence_tokens: {S}, validation_rows: 20, sequences: {sequences}, {shape}}}\n"
                f"index: {{readers: [core, fork], seed: {SEED}, schedule: {{validation_samples: {ASKED}}}, "
                f"tokenizer: {{unique_identifiers: {json.dumps(IDENTIFIERS)}}}}}\n",
            )
            said = kakehi("run", manifest, "--work", home / "w")
            assert said.code == 0, said.err
            old = {found.folder for found in made.values()}
            [folder] = [path for path in (home / "w" / "pack").iterdir() if path not in old]
            [index] = [
                path
                for path in (home / "w" / "index").iterdir()
                if folder.name in (path / "recipe.json").read_text(encoding="utf-8")
            ]
            made[layout, sequences] = Packed(folder, index / "cache")
    return made


Reads = dict[tuple[str, str, str], Read]


def read_all(
    packed: dict[tuple[str, str], Packed],
    core: Path | None,
    options: dict[str, dict[str, Any]],
    home: Path,
    cache: Path | None = None,
) -> Reads:
    """Read every sample of every layout with every set of options, in one process."""
    reads = {}
    for (layout, sequences), made in packed.items():
        for name, option in options.items():
            reads[layout, sequences, name] = {
                "out": str(home / f"{len(reads)}.npz"),
                "prefixes": [NAME, VALID],
                "home": str(made.folder),
                "cache": str(cache or made.cache),
                "identifiers": IDENTIFIERS,
                "eod": EOD,
                "vocab_size": 400,
                "seed": SEED,
                "sequence_tokens": S,
                "samples": [made.samples[0], ASKED],
                "options": option,
            }
    request = json.dumps({"core": str(core) if core else None, "reads": [*reads.values()]})
    script = Path(__file__).with_name("core_reader.py")
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}  # rows of 32 tokens are not worth a second thread
    subprocess.run(
        [sys.executable, script], input=request, text=True, check=True, capture_output=True, env=alone
    )
    return {key: dict(np.load(read["out"])) for key, read in reads.items()}


@pytest.fixture(scope="module")
def core_019() -> Path:
    """The folder of a core of 0.19."""
    folder = Path(sys.prefix) / "core-0.19"  # where `make interop` unpacks it
    assert (folder / "megatron" / "core").is_dir()
    return folder


@pytest.fixture(scope="module")
def by_019(packed, core_019: Path, tmp_path_factory) -> Reads:
    """All that a core of 0.19 gives."""
    options = {"plain": PLAIN, "masked": MASKED, "reset": RESET, "both": BOTH}
    return read_all(packed, core_019, options, tmp_path_factory.mktemp("019"))


@pytest.fixture(scope="module")
def by_installed(packed, tmp_path_factory) -> Reads:
    """All that the installed core gives, which knows no such masking."""
    return read_all(packed, None, {"plain": PLAIN, "reset": RESET}, tmp_path_factory.mktemp("installed"))


def segments_of(cu_seqlens: np.ndarray[Any, Any]) -> list[int]:
    """Take off what fills an array of borders up to a fixed length, as the merging in a training step does."""
    return list(dict.fromkeys(cu_seqlens.tolist()))


def test_the_tokens_lie_as_with_tiles(packed) -> None:
    """The `.bin` is the same byte for byte; the `.idx` alone differs."""
    for layout in LAYOUTS:
        tiles, pieces = packed[layout, "tiles"].folder, packed[layout, "pieces"].folder
        for name in (NAME, VALID):
            assert (tiles / f"{name}.bin").read_bytes() == (pieces / f"{name}.bin").read_bytes()
        assert (tiles / f"{NAME}.idx").read_bytes() != (pieces / f"{NAME}.idx").read_bytes()


@pytest.mark.parametrize("reader", ["by_installed", "by_019"])
def test_every_sample_is_the_same_with_tiles_and_pieces(request, packed, reader: str) -> None:
    """Tokens, labels and masks, in the same order, and as they lie in the file; also with masks reset at end marks."""
    reads: Reads = request.getfixturevalue(reader)
    for layout in LAYOUTS:
        made = packed[layout, "pieces"]
        ids = np.fromfile(made.folder / f"{NAME}.bin", np.uint16).astype(np.int64)
        text = np.stack([ids[row * S : row * S + S + 1] for row in made.rows])
        for option in {name for _, _, name in reads}:
            pieces, tiles = reads[layout, "pieces", option], reads[layout, "tiles", option]
            assert [len(pieces["tokens"]), len(pieces["valid tokens"])] == made.samples
            assert np.array_equal(pieces["tokens"], text[:, :-1])
            assert np.array_equal(pieces["labels"], text[:, 1:])
            for name in pieces.keys() - MASKS - {f"valid {name}" for name in MASKS} - {"labels"}:
                assert np.array_equal(pieces[name], tiles[name]), (layout, option, name)
            # With tiles the last label is of the lane's next row, or of the next in Megatron's shuffle.
            assert np.array_equal(pieces["labels"][:, :-1], tiles["labels"][:, :-1])


def test_every_segment_is_one_document(packed, by_019: Reads) -> None:
    """Borders are those of the pieces in the row, none over, none missing; positions begin anew at each."""
    for layout in LAYOUTS:
        made = packed[layout, "pieces"]
        parts = (("", NAME, made.rows.tolist()), ("valid ", VALID, [*range(made.samples[1])]))
        for option, (part, name, rows) in itertools.product(("masked", "both"), parts):
            read, begins, segments = by_019[layout, "pieces", option], made.begins(name), 0
            for row, cu_seqlens, positions in zip(
                rows, read[f"{part}cu_seqlens"], read[f"{part}position_ids"], strict=True
            ):
                borders = segments_of(cu_seqlens)
                assert borders == [*begins[row], S], (layout, row)
                wanted = [place for a, b in itertools.pairwise(borders) for place in range(b - a)]
                assert positions.tolist() == wanted
                segments += len(borders) - 1
            assert segments == sum(len(begins[row]) for row in rows)
            longest = [max(np.diff(segments_of(borders))) for borders in read[f"{part}cu_seqlens"]]
            assert read[f"{part}max_seqlen"].tolist() == longest


def test_tiles_mask_nothing(packed, by_019: Reads) -> None:
    """What the flag does to a corpus that was not packed for it: a row is one segment, whatever is in it."""
    for layout in LAYOUTS:
        read, begins = by_019[layout, "tiles", "masked"], packed[layout, "tiles"].begins()
        assert all(segments_of(cu_seqlens) == [0, S] for cu_seqlens in read["cu_seqlens"])
        assert any(len(begins[row]) > 1 for row in packed[layout, "tiles"].rows)


def test_maps_of_its_own_keep_documents_apart_but_no_row(packed, core_019: Path, tmp_path: Path) -> None:
    """A reader that finds no cache shuffles pieces: still nobody sees another's, but samples begin anywhere."""
    made = packed["lanes", "pieces"]
    option = {"own": {**MASKED, "fast_cache_load": False}}
    read = read_all({("lanes", "pieces"): made}, core_019, option, tmp_path, cache=tmp_path / "cache")
    tokens, borders = (read["lanes", "pieces", "own"][name] for name in ("tokens", "cu_seqlens"))
    for text, cu_seqlens in zip(tokens, borders, strict=True):
        for begin, end in itertools.pairwise(segments_of(cu_seqlens)):
            filling = np.flatnonzero(text[begin:end] == EOD)
            assert filling.tolist() == list(range(end - begin - len(filling), end - begin))
    ids = np.fromfile(made.folder / f"{NAME}.bin", np.uint16)[:-1].reshape(-1, S)
    known = {row.tobytes() for row in ids}
    assert sum(row.astype(np.uint16).tobytes() in known for row in tokens) < len(tokens) / 2


def reset_at(tokens: np.ndarray[Any, Any]) -> list[int]:
    """List the segments of Megatron's resetting: each begins behind an end mark."""
    return [0, *(int(place) + 1 for place in np.flatnonzero(tokens == EOD))]


@pytest.mark.parametrize("reader", ["by_installed", "by_019"])
def test_resetting_goes_by_end_marks(request, packed, reader: str) -> None:
    """`--reset-attention-mask` and `--reset-position-ids` keep documents apart in both forms: filling stands alone."""
    reads: Reads = request.getfixturevalue(reader)
    for layout in LAYOUTS:
        begins = packed[layout, "pieces"].begins()
        for sequences in ("tiles", "pieces"):
            read = reads[layout, sequences, "reset"]
            for row, tokens, positions, mask in zip(
                packed[layout, sequences].rows,
                read["tokens"],
                read["position_ids"],
                read["attention_mask"],
                strict=True,
            ):
                starts = reset_at(tokens)
                assert set(begins[row]) <= {*starts}
                segment = np.searchsorted(starts, np.arange(S), side="right")
                seen = (segment[:, None] == segment[None, :]) & np.tri(S, dtype=bool)
                assert np.array_equal(~mask[0], seen)
                assert positions.tolist() == [place - starts[s - 1] for place, s in enumerate(segment)]
