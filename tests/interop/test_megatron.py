"""Megatron's own classes read what `kakehi run` made of text: every layout, every sample, without building a thing."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from kakehi.tokenizer.packed.checking import layout_of
from kakehi.tokenizer.packed.indexed import Reader, write_index
from kakehi.tokenizer.packed.lanes import Parallel, samples_of_step

pytest.importorskip("megatron.core", reason="the interop extra is not installed")

S = 32
SEED = 1234

#: Samples of validation that the job asks for: fewer than there are, each of which it may read.
VALID = 10

#: What makes the layouts: parameters of pack, and the maps' seed does the rest.
LAYOUTS = {
    "lanes": "{sequence_tokens: 32, lanes: 24, tile_rows: 5, validation_rows: 40}",
    "lane-major": "{sequence_tokens: 32, lanes: 24, tile_rows: 100000, validation_rows: 40}",
    "training order": "{sequence_tokens: 32, lanes: 24, tile_rows: 1, packing: concat, validation_rows: 40}",
    "stock": "{sequence_tokens: 32, layout: stock, validation_rows: 40}",
    "two epochs": "{sequence_tokens: 32, lanes: 24, tile_rows: 5, validation_rows: 40, "
    "mix: {a: {epochs: 2.5}, b: 9000}}",
}


@dataclass(frozen=True)
class Made:
    """A finished run: the folder of the binaries, that of the maps, and the model."""

    packed: Path
    cache: Path
    model: Path

    @property
    def about(self) -> dict[str, Any]:
        return dict(json.loads((self.packed / "manifest.json").read_bytes()))

    def binary(self, name: str) -> dict[str, Any]:
        return dict(self.about["binaries"][name])


@pytest.fixture(scope="module")
def model(make, kakehi, tmp_path_factory) -> Path:
    """Train one small tokenizer for all runs."""
    home = tmp_path_factory.mktemp("model")
    make.texts(home / "a.jsonl", 50)
    manifest = make.file(
        home / "m.yaml", "corpus: c\nsources: {a: {ingest: {files: a.jsonl}}}\ntrain: {vocab_size: 400}\n"
    )
    said = kakehi("run", manifest, "--work", home / "w")
    assert said.code == 0, said.err
    return next((home / "w" / "train").rglob("tokenizer.model"))


@pytest.fixture
def made(finished: Made, monkeypatch: pytest.MonkeyPatch) -> Made:
    """Stand in the folder of the binaries, as a job does: names are relative."""
    monkeypatch.chdir(finished.packed)
    return finished


@pytest.fixture(scope="module", params=LAYOUTS)
def finished(request, make, kakehi, model, tmp_path_factory) -> Made:
    """Run the command on texts of two sources, some longer than ten rows."""
    home = tmp_path_factory.mktemp("run")
    make.texts(home / "a.jsonl", 150, seed="a")
    make.jsonl(
        home / "b.jsonl",
        ({"id": str(i), "text": make.text(("b", i), 1 + i % 60)} for i in range(150)),
    )
    identifiers = json.dumps(tokenizer(model).unique_identifiers)
    manifest = make.file(
        home / "m.yaml",
        "corpus: c\n"
        "sources: {a: {ingest: {files: a.jsonl, fields: {text: text, id: id, url: url}}}, b: {ingest: {files: b.jsonl}}}\n"
        f"train: {{existing: {model}}}\nencode: {{eod: </s>}}\npack: {LAYOUTS[request.param]}\n"
        f"index: {{readers: [core, fork], seed: {SEED}, tokenizer: {{unique_identifiers: {identifiers}}}, "
        f"schedule: {{validation_samples: {VALID}}}, "
        "jobs: [{micro_batch: 2, data_parallel: 4}]}\n",
    )
    said = kakehi("run", manifest, "--work", home / "w")
    assert said.code == 0, said.err
    return Made(
        next((home / "w" / "pack").rglob("manifest.json")).parent,
        next((home / "w" / "index").rglob("cache")),
        model,
    )


def tokenizer(model: Path) -> Any:
    from megatron.core.tokenizers import MegatronTokenizer  # noqa: PLC0415 - optional

    return MegatronTokenizer.from_pretrained(str(model), {"library": "sentencepiece"})


def opened(
    made: Made,
    *,
    samples: int | None = None,
    valid: int | None = None,
    mmap: bool = True,
    cache: Path | None = None,
    fast: bool = True,
) -> list[Any]:
    """Build train and valid as a training script does, in the folder of the binaries, with the printed flags."""
    from megatron.core.datasets.blended_megatron_dataset_builder import (  # noqa: PLC0415 - optional
        BlendedMegatronDatasetBuilder,
    )
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig  # noqa: PLC0415 - optional

    config = GPTDatasetConfig(
        random_seed=SEED,
        sequence_length=made.about["sequence_tokens"],
        blend_per_split=[(["c_text_document"], None), (["c_valid_text_document"], None), None],
        path_to_cache=str(cache or made.cache),
        mmap_bin_files=mmap,
        fast_cache_load=fast,
        tokenizer=tokenizer(made.model),
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=True,
        create_attention_mask=False,
    )
    sizes = [
        samples or made.binary("c_text_document")["samples"],
        valid or VALID,
        0,
    ]
    train, held_out, _ = BlendedMegatronDatasetBuilder(GPTDataset, sizes, lambda: True, config).build()
    return [train, held_out]


def rows_in_order(made: Made, split: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """Say which row of the file each sample is, and whose first token is its last label, by the plain arrays."""
    name = "c_text_document" if split == "train" else "c_valid_text_document"
    documents, sample, shuffle = (
        np.load(next(made.cache.glob(f"*-{split}-{array}_index.npy")))
        for array in ("document", "sample", "shuffle")
    )
    starts = Reader(made.packed / name).offsets[documents] // 2
    rows = (starts[sample[:, 0]] + sample[:, 1]) // S
    return rows[shuffle], rows[shuffle.astype(np.int64) + 1]


@pytest.mark.parametrize("mmap", [True, False])
def test_every_sample_is_ours(made: Made, mmap: bool) -> None:
    """Tokens and labels of every sample, train and valid; nothing new lies in the cache."""
    before = sorted(path.name for path in made.cache.iterdir())
    for name, split, data in zip(
        ("c_text_document", "c_valid_text_document"), ("train", "valid"), opened(made, mmap=mmap), strict=True
    ):
        assert len(data) == made.binary(name)["samples"]
        rows, after = rows_in_order(made, split)
        tokens = np.fromfile(made.packed / f"{name}.bin", np.uint16).astype(np.int64)
        ids = np.pad(tokens, (0, S - 1)).reshape(-1, S)  # the guard is one token
        for k in range(len(data)):
            assert np.array_equal(data[k]["tokens"].numpy(), ids[rows[k]])
            assert np.array_equal(data[k]["labels"].numpy(), [*ids[rows[k]][1:], ids[after[k]][0]])
        assert sorted(rows.tolist()) == list(range(len(data)))
        if made.about["layout"] == "lanes" and split == "train":
            layout = layout_of(made.binary(name))
            assert rows.tolist() == layout.row_of(np.arange(len(data))).tolist()
            assert after[:-24].tolist() == layout.row_of(np.arange(24, len(data))).tolist()
    assert sorted(path.name for path in made.cache.iterdir()) == before


def test_stock_labels_end_with_the_next_row_of_the_shuffle(made: Made) -> None:
    """The one token of a label that is of another row is the first of the row that the document index has next."""
    data, _ = opened(made)
    order, sample = data.document_index, data.sample_index
    ids = np.fromfile(made.packed / "c_text_document.bin", np.uint16)
    runs = Reader(made.packed / "c_text_document")
    for k in range(0, len(data), 7):
        sequence, offset = sample[data.shuffle_index[k] + 1]
        first = runs.offsets[order[sequence]] // 2 + offset
        assert int(data[k]["labels"][-1]) == ids[first]


def test_wrong_requests_are_misses(made: Made) -> None:
    """A sample more, or another seed's name, is no cache: the reader refuses instead of building its own."""
    with pytest.raises(FileNotFoundError):
        opened(made, samples=made.binary("c_text_document")["samples"] - 1)
    with pytest.raises(FileNotFoundError):
        opened(made, valid=VALID + 1)


def test_a_lost_cache_still_gives_every_row(made: Made, tmp_path: Path) -> None:
    """What Megatron builds by itself has another order, but every token of ours is a label once, and no loss is empty.

    Its order is of sequences, so what follows the guard's is a token behind its row. Only the first token of all is
    nowhere a label.
    """
    for name, data in zip(
        ("c_text_document", "c_valid_text_document"), opened(made, cache=tmp_path, fast=False), strict=True
    ):
        reader = Reader(made.packed / name)
        rows = made.binary(name)["rows"] - 1
        assert reader.tokens == rows * S + 1
        assert len(data) == rows
        samples = [data[k] for k in range(rows)]
        assert all(sample["loss_mask"].any() for sample in samples)
        stream = np.concatenate([reader.document(number) for number in data.document_index])
        order = np.argsort(data.shuffle_index)
        theirs = np.concatenate([samples[k]["labels"].numpy() for k in order])
        assert np.array_equal(theirs, stream[1:])
        assert sorted(stream.tolist()) == sorted(reader.ids(0, reader.tokens).tolist())


def test_its_builder_makes_our_sample_index(made: Made) -> None:
    """For our order of sequences the compiled builder's array is ours, bit for bit, ragged tiles included."""
    from megatron.core.datasets import helpers  # noqa: PLC0415 - optional

    if made.about["layout"] == "stock":
        pytest.skip("stock order is shuffled")
    reader = Reader(made.packed / "c_text_document")
    order = np.load(next(made.cache.glob("*-train-document_index.npy")))
    theirs = helpers.build_sample_idx(np.array(reader.lengths), order, S, 1, reader.tokens, True, 1)
    [path] = made.cache.glob("*-train-sample_index.npy")
    ours = np.load(path)
    assert np.array_equal(theirs[: len(ours)], ours)


@pytest.mark.parametrize(("micro_batch", "data_parallel"), [(1, 1), (1, 2), (2, 4), (1, 8), (3, 8), (1, 24)])
def test_several_sizes_read_one_set_of_files(made: Made, micro_batch: int, data_parallel: int) -> None:
    """Ranks of each size read disjoint samples, all of them, and with lanes each goes forward; a resume changes nothing."""
    parallel, batch = Parallel(micro_batch, data_parallel), micro_batch * data_parallel
    rows, _ = rows_in_order(made, "train")
    steps = len(rows) // batch
    seen: list[int] = []
    for rank in range(data_parallel):
        mine = [samples_of_step(step, rank, parallel, global_batch=batch) for step in range(steps)]
        half = [
            samples_of_step(step, rank, parallel, global_batch=batch, consumed=(steps // 2) * batch)
            for step in range(steps - steps // 2)
        ]
        assert [m.tolist() for m in mine[steps // 2 :]] == [h.tolist() for h in half]
        read = rows[np.concatenate(mine)]
        seen += read.tolist()
        if made.about["layout"] == "lanes":
            tile = made.binary("c_text_document")["tile_rows"]
            for lane in range(24 // data_parallel):
                mine_lane = [
                    r
                    for s, r in zip(np.concatenate(mine), read, strict=True)
                    if s % 24 == rank + lane * data_parallel
                ]
                assert mine_lane == sorted(mine_lane), tile
    assert len(set(seen)) == len(seen) == steps * batch


def test_whole_documents_are_in_the_rows(made: Made) -> None:
    """Each document's tokens come back by the provenance, piece by piece, as SentencePiece encodes its text."""
    import sentencepiece  # noqa: PLC0415 - only here

    pieces = sentencepiece.SentencePieceProcessor(model_file=str(made.model))
    documents = pq.read_table(made.packed / "c.documents.parquet").to_pylist()
    texts = {
        row["id"]: row["text"]
        for path in made.packed.parents[2].rglob("ingest/**/*.parquet")
        if ".rejects" not in path.name
        for row in pq.read_table(path, columns=["id", "text"]).to_pylist()
    }
    found: dict[tuple[int, int], dict[int, list[int]]] = {}
    for name in made.about["binaries"]:
        ids = np.fromfile(made.packed / f"{name}.bin", np.uint16)
        for row in pq.read_table(made.packed / f"{name}.provenance.parquet").to_pylist():
            tokens = ids[row["first_token"] : row["first_token"] + row["tokens"]].tolist()
            found.setdefault((row["document"], row["epoch"]), {})[row["document_token"]] = tokens
    first = {document for document, epoch in found if epoch == 0}
    assert first >= {number for number, row in enumerate(documents) if row["source"] == "a"}
    if not any(epoch for _, epoch in found):
        assert first == set(range(len(documents)))
    for (document, epoch), parts in found.items():
        wanted = [*pieces.encode(texts[documents[document]["id"]]), pieces.piece_to_id("</s>")]
        for start, tokens in parts.items():
            assert tokens == wanted[start : start + len(tokens)]
        if documents[document]["source"] == "a" and epoch < 2:  # of the rest a part of an epoch may be packed
            assert sum(map(len, parts.values())) == len(wanted)
        if len(wanted) <= S and made.about["packing"] == "best-fit":
            assert len(parts) == 1


@pytest.mark.parametrize("vocab_size", [32_000, 100_000])
def test_our_files_equal_megatrons(tmp_path: Path, vocab_size: int) -> None:
    """Its builder, fed the same documents, writes the same bytes."""
    import torch  # noqa: PLC0415 - optional
    from megatron.core.datasets.indexed_dataset import DType, IndexedDatasetBuilder  # noqa: PLC0415 - optional

    rows = [np.random.default_rng(i).integers(0, vocab_size, i + 1) for i in range(40)]
    builder = IndexedDatasetBuilder(str(tmp_path / "theirs.bin"), dtype=DType.optimal_dtype(vocab_size))
    for row in rows:
        builder.add_item(torch.from_numpy(row))
        builder.end_document()
    builder.finalize(str(tmp_path / "theirs.idx"))
    dtype = np.dtype("<u2" if vocab_size < 65_500 else "<i4")
    np.concatenate(rows).astype(dtype).tofile(tmp_path / "ours.bin")
    write_index(tmp_path / "ours", dtype, lambda: [np.array(list(map(len, rows)))])
    for ending in (".bin", ".idx"):
        assert (tmp_path / f"ours{ending}").read_bytes() == (tmp_path / f"theirs{ending}").read_bytes()
