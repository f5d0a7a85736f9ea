"""Tokens, samples and steps lead to documents, and documents to all of their tokens."""

import json
import re
import shutil
from contextlib import suppress

import numpy as np
import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.inspection.provenance import faults, open_packed
from kakehi.pipeline.stages.pack.index import index
from kakehi.pipeline.stages.pack.job_tokenizer import JobTokenizer
from kakehi.tokenizer.packed.indexed import Reader
from tests.tokenizer.packed.test_checking import same_layout

NAME = "c_text_document"
S = 32


@pytest.fixture(params=["lanes", "stock"])
def packed(request, packed_runs):
    return open_packed(packed_runs[request.param] / NAME)


def cache_of(packed):
    home = packed.prefix.parent
    [cache] = [p / "cache" for p in (home.parents[1] / "index").iterdir() if same_layout(p, home)]
    return cache


@pytest.mark.slow
def test_every_token_of_a_row_leads_to_its_document(packed) -> None:
    """Compared with the table read whole; padding leads nowhere."""
    pieces = pq.read_table(packed.prefix.with_name(f"{NAME}.provenance.parquet")).to_pylist()
    documents = pq.read_table(packed.prefix.with_name("c.documents.parquet")).to_pylist()
    owner = {row["first_token"] + i: row for row in pieces for i in range(row["tokens"])}
    for token in range(0, packed.layout.rows * S, 13):
        if token in owner:
            found = packed.token(token)
            wanted = documents[owner[token]["document"]]
            assert (found["id"], found["url"]) == (wanted["id"].hex(), wanted["url"])
            assert found["document_token"] == owner[token]["document_token"]
        else:
            wanted = f"token: got {token}, wanted one of a document: this one is padding or behind the end"
            with pytest.raises(DataError, match=wanted) as caught:
                packed.token(token)
            assert caught.value.hint is None  # its files are whole


@pytest.mark.slow
def test_a_sample_is_the_row_that_readers_read(packed) -> None:
    """By the maps that readers use, its documents those of the row."""
    cache = cache_of(packed)
    document, sample, shuffle = (
        np.load(next(cache.glob(f"{NAME}_train_*_{n}_idx.npy"))) for n in ("doc", "sample", "shuffle")
    )
    every = np.arange(packed.layout.samples)
    found = packed.samples(every, cache)
    place, token = sample[shuffle].T
    first = Reader(packed.prefix).offsets[document[place]] // 2 + token
    assert [s["row"] * S for s in found] == first.tolist()
    for sample in found[::7]:
        for piece in sample["documents"]:
            assert piece["first_token"] // S == sample["row"]
            assert packed.token(piece["first_token"])["id"] == piece["id"]


@pytest.mark.slow
def test_a_document_gives_all_its_places(packed) -> None:
    """In both epochs, by id and by URL, each from its first token to its last; with the sample where lanes say it."""
    rows = pq.read_table(packed.prefix.with_name("c.documents.parquet")).to_pylist()
    trained = {
        row["document"]
        for row in pq.read_table(packed.prefix.with_name(f"{NAME}.provenance.parquet")).to_pylist()
    }
    seen = 0
    for number, row in list(enumerate(rows))[::5]:
        [found] = packed.documents(row["id"].hex())
        assert (found["source"], found["tokens"]) == (row["source"], row["tokens"])
        epochs = {0, 1} if row["source"] == "a" else {0}
        if number not in trained:
            assert found["pieces"] == []
            continue
        seen += 1
        for epoch in epochs:
            mine = sorted((p["document_token"], p["tokens"]) for p in found["pieces"] if p["epoch"] == epoch)
            assert sum(tokens for _, tokens in mine) == row["tokens"]
            assert mine[0][0] == 0
        if row["url"]:
            assert found in packed.documents(row["url"])
        for piece in found["pieces"]:
            assert ("sample" in piece) == (packed.about["layout"] == "lanes")
            if piece.get("sample") is not None:
                [sample] = packed.samples(np.array([piece["sample"]]))
                assert sample["row"] == piece["first_token"] // S
    assert seen > 5


@pytest.mark.slow
def test_samples_of_pieces_are_those_of_tiles(packed_runs) -> None:
    """In lanes, and in Megatron's own order, where the maps of pieces say the rows in another way."""
    for tiles, pieces in (("lanes", "pieces"), ("stock", "stock pieces")):
        found = [open_packed(packed_runs[name] / NAME) for name in (tiles, pieces)]
        some = np.arange(0, found[0].layout.samples, 9)
        of_tiles, of_pieces = (packed.samples(some, cache_of(packed)) for packed in found)
        assert of_tiles == of_pieces


def test_stock_samples_need_the_maps(packed_runs) -> None:
    """Their order is Megatron's own."""
    packed = open_packed(packed_runs["stock"] / NAME)
    with pytest.raises(DataError, match="Megatron's own order") as caught:
        packed.samples(np.array([0]))
    assert "--maps" in str(caught.value.hint)


def test_the_maps_of_any_reader_say_the_order(packed_runs, make, tmp_path) -> None:
    """Those that the fork reads, and those of megatron-core alone."""
    packed, some = open_packed(packed_runs["stock"] / NAME), np.arange(0, 40, 7)
    inputs = make.inputs(packed=packed_runs["stock"])
    object.__setattr__(inputs, "scratch", tmp_path / ".shuffle")
    told = JobTokenizer(unique_identifiers={"class": "x.Y"})
    index(inputs, tmp_path, Inline(), readers=["core"], tokenizer=told)
    assert not [*tmp_path.glob("cache/*_idx.npy")]
    assert packed.samples(some, tmp_path / "cache") == packed.samples(some, cache_of(packed))


@pytest.mark.parametrize("wanted", ["xyz", "00", "0" * 32, "https://nowhere.example/"])
def test_unknown_documents_are_refused(packed, wanted: str) -> None:
    """What is no id, and what is not there."""
    with pytest.raises(DataError, match=re.escape(repr(wanted))):
        packed.documents(wanted)


def test_the_command_asks_for_one_thing(kakehi, packed_runs) -> None:
    """A token, a sample, a step with its rank, or a document, as JSON."""
    prefix = packed_runs["lanes"] / NAME
    packed = open_packed(prefix)
    said = kakehi("lookup", prefix, "--token", 5)
    assert json.loads(said.out) == packed.token(5)
    said = kakehi("lookup", prefix, "--sample", 3)
    assert json.loads(said.out) == packed.samples(np.array([3]))[0]
    job = ["--micro-batch", 2, "--data-parallel", 3, "--global-batch", 12, "--consumed", 6]
    said = kakehi("lookup", prefix, "--step", 1, "--rank", 2, *job)
    assert [s["sample"] for s in json.loads(said.out)] == [22, 23, 28, 29]
    identity = packed.token(5)["id"]
    said = kakehi("lookup", prefix, "--document", identity)
    assert json.loads(said.out) == packed.documents(identity)
    for wrong in (
        [],
        ["--token", 5, "--sample", 3],
        ["--step", 0, "--rank", 7],
        ["--step", 0, "--micro-batch", 2, "--global-batch", 3],
    ):
        assert kakehi("lookup", prefix, *wrong).code == 2
    said = kakehi("lookup", prefix, "--sample", 10**9)
    assert (said.code, "wanted 0 to" in said.err) == (3, True)


def test_the_command_checks_a_prefix(kakehi, packed_runs, tmp_path) -> None:
    """No fault, or each on a line; what is no prefix is taken for a manifest."""
    prefix = packed_runs["lanes"] / NAME
    said = kakehi("check", prefix, "--maps", cache_of(open_packed(prefix)))
    assert (said.code, "no fault found" in said.out, "checked too" in said.out) == (0, True, True)
    (tmp_path / f"{NAME}.bin").write_bytes(b"")
    said = kakehi("check", tmp_path / NAME)
    assert (said.code, "there is no manifest.json beside it" in said.err) == (3, True)
    (tmp_path / "manifest.json").write_bytes((prefix.parent / "manifest.json").read_bytes())
    said = kakehi("check", tmp_path / NAME)
    assert said.code == 3
    assert f"{NAME}.idx: is not there" in said.err
    assert f"{NAME}.bin: got 0 bytes" in said.err
    (tmp_path / "manifest.json").write_text("{}")
    assert "sequence_tokens: got None, wanted a whole number" in kakehi("check", tmp_path / NAME).err


BROKEN = {
    "junk": lambda _: b"junk",
    "half": lambda content: content[: len(content) // 2],
    "empty": lambda _: b"",
    "zeros": lambda content: bytes(len(content)),
    "gone": lambda _: None,
}


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_every_broken_file_is_a_fault_and_no_answer_is_a_crash(packed, tmp_path, broken) -> None:
    """Any one of a prefix's files and maps; what is asked then has an answer or one error."""
    cache = shutil.copytree(cache_of(packed), tmp_path / "cache")
    copied = open_packed(shutil.copytree(packed.prefix.parent, tmp_path / "packed") / NAME)
    mine = [copied.prefix.with_name("c.documents.parquet"), *copied.prefix.parent.glob(f"{NAME}*")]
    mine += [*cache.glob("*-train-*"), *cache.glob(f"{NAME}_*")]
    assert list(faults(copied, cache)) == []
    for path in mine:
        content = path.read_bytes()
        path.unlink()  # maps are hard links of each other
        if (changed := broken(content)) is not None:
            path.write_bytes(changed)
        assert any(path.name in line for line in faults(copied, cache)), path.name
        for ask in (
            lambda: copied.token(0),
            lambda: copied.samples(np.array([3]), cache),
            lambda: copied.documents("0" * 32),
        ):
            with suppress(DataError):
                ask()
        path.unlink(missing_ok=True)
        path.write_bytes(content)
