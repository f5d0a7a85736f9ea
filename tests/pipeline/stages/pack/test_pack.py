"""pack: ids of every shard to rows, each piece where the plan says, with its document beside it."""

import json
import struct
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.errors import DataError, EngineError, ParameterError
from kakehi.pipeline.stages.encode import load_encoder
from kakehi.pipeline.stages.pack import plan
from kakehi.pipeline.stages.pack.pack import pack, tasks
from kakehi.pipeline.stages.pack.portions import Portion
from kakehi.pipeline.storage.schemas import TOKENS, TokenizedBy
from kakehi.tokenizer.packed import provenance
from kakehi.tokenizer.packed.indexed import Reader
from kakehi.tokenizer.training import train

S, EOD = 16, 2


@pytest.fixture(scope="module")
def folder(make, tmp_path_factory):
    """Give the folder of a small tokenizer."""
    root = tmp_path_factory.mktemp("tokenizer")
    lines = [line for i in range(30) for line in make.text(i).split("\n")]
    (root / "tokenizer.model").write_bytes(train(lines, vocab_size=400, num_threads=1).model)
    return root


class Packer:
    """Shards of made-up ids, and what packing them gives."""

    def __init__(self, make, root: Path, folder: Path, *shards, names: str = "", sizes=()) -> None:
        self.root = root
        made = []
        self.lists: list[list[int]] = []
        self.source: list[str] = []
        for i, lists in enumerate(shards):
            source = names[i] if names else f"s{i}"
            documents = make.documents([f"{i} {j}" for j in range(len(lists))], source=source)
            more = {"verdict": clusters(sizes[i])} if sizes else {}
            made.append(make.shard(root, i, documents=documents, tokens=table(folder, lists), **more))
            self.lists += [ids for ids in lists if ids is not None]
            self.source += [source] * sum(ids is not None for ids in lists)
        self.inputs = make.inputs(*made, tokenizer=folder)
        self.tries = 0

    def __call__(self, *, sequence_tokens: int = S, lanes: int = 2, tile_rows: int = 3, **parameters):
        self.tries += 1
        self.out = self.root / f"out{self.tries}"
        self.out.mkdir()
        return pack(
            self.inputs,
            self.out,
            Inline(),
            sequence_tokens=sequence_tokens,
            lanes=lanes,
            tile_rows=tile_rows,
            **parameters,
        )

    @property
    def about(self):
        return json.loads((self.out / "manifest.json").read_bytes())

    def ids(self, name: str = "c_text_document") -> np.ndarray:
        return np.fromfile(self.out / f"{name}.bin", np.uint16)

    def pieces(self, name: str = "c_text_document") -> list[dict]:
        return pq.read_table(self.out / f"{name}.provenance.parquet").to_pylist()

    def found(self, name: str = "c_text_document") -> dict[tuple[int, int], list[int]]:
        """Put documents together again from their pieces, by document and epoch."""
        ids, parts = self.ids(name), {}
        for row in self.pieces(name):
            tokens = ids[row["first_token"] : row["first_token"] + row["tokens"]].tolist()
            parts.setdefault((row["document"], row["epoch"]), {})[row["document_token"]] = tokens
        return {key: [t for start in sorted(p) for t in p[start]] for key, p in parts.items()}

    def digest(self) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in sorted(self.out.rglob("*")) if path.is_file()}


def clusters(sizes) -> pa.RecordBatch:
    """Give a table of verdicts as far as `pack` reads it."""
    verdict = pa.array([None if size else "dedupe:near" for size in sizes], pa.string())
    return pa.RecordBatch.from_pydict({"verdict": verdict, "cluster_size": pa.array(sizes, pa.uint32())})


def table(folder: Path, lists, **changes: str | int) -> pa.RecordBatch:
    """Give a table of tokens as `encode` writes it."""
    said = TokenizedBy(load_encoder(folder).digest, EOD)._replace(**changes)
    ids = [None if ids is None else struct.pack(f"<{len(ids)}H", *ids) for ids in lists]
    columns = [pa.array(ids, pa.large_binary()), pa.array([len(ids or ()) for ids in lists])]
    return pa.RecordBatch.from_arrays(columns, schema=said.write_to(TOKENS))


def documents(count: int, seed: int = 0, longest: int = 4 * S) -> list[list[int] | None]:
    """Make up documents of all lengths, some of them not encoded."""
    rng = np.random.default_rng(seed)
    made: list[list[int] | None] = []
    for _ in range(count):
        text = rng.integers(3, 400, rng.integers(0, longest)).tolist()
        made.append(None if rng.random() < 0.2 else [*text, EOD])
    return made


@pytest.fixture
def packer(make, folder, tmp_path) -> Packer:
    """Five shards of two sources, two of them with nothing in, and lengths at every edge."""
    edges = [[7] * (n - 1) + [EOD] for n in (1, S - 1, S, S + 1, 10 * S)]
    shards = ([*documents(60), *edges], [None, None], documents(40, 1), documents(50, 2), [None])
    return Packer(make, tmp_path, folder, *shards, names="aaabb")


@pytest.mark.parametrize(
    "parameters",
    [
        {},
        {"packing": "concat"},
        {"layout": "stock"},
        {"lanes": 7, "tile_rows": 2},
        {"lanes": 7, "tile_rows": 2, "packing": "concat"},
        {"lanes": 1, "tile_rows": 1000},
    ],
)
def test_every_document_is_there_once_and_whole(packer: Packer, parameters) -> None:
    """Ids of rows minus padding are the ids of encode, and whatever is no document is the end mark."""
    counts = packer(**parameters)
    found = packer.found()
    assert found == {(number, 0): ids for number, ids in enumerate(packer.lists)}
    ids = packer.ids()
    padding = np.ones(len(ids), bool)
    for row in packer.pieces():
        padding[row["first_token"] : row["first_token"] + row["tokens"]] = False
    assert (ids[padding] == EOD).all()
    assert padding.sum() == counts["padding"] + 1  # the guard
    assert counts["tokens"] == sum(map(len, packer.lists))
    assert counts["rows"] == counts["samples"] + counts["spare_rows"]
    assert len(ids) == counts["rows"] * S + 1 == counts["bytes"] // 2


@pytest.mark.parametrize("packing", ["best-fit", "concat"])
def test_an_epoch_has_a_document_as_often_as_its_cluster_says(make, folder, tmp_path, packing) -> None:
    """Every copy is whole and has its place; one of validation is there once; none is the same as no table."""
    shards = [documents(60), [None, None], documents(40, 1)]
    rng = np.random.default_rng(5)
    sizes = [[0 if ids is None else int(rng.integers(1, 9)) for ids in lists] for lists in shards]
    packer = Packer(make, tmp_path, folder, *shards, names="aab", sizes=sizes)
    plain = packer(packing=packing) and packer.digest()
    packer(packing=packing, copies=[(1, 1)])
    assert {**packer.digest(), "manifest.json": b""} == {**plain, "manifest.json": b""}
    counts = packer(
        packing=packing,
        copies=[(2, 3), (7, 5)],
        validation_rows=20,
        mix={"a": Portion(epochs=2), "b": Portion(epochs=1)},
    )
    said = [size for per_shard in sizes for size in per_shard if size]
    copies = [1 if size < 2 else 3 if size < 7 else 5 for size in said]
    held = packer.found("c_valid_text_document")
    times = {}
    for row in packer.pieces():
        key = (row["document"], row["epoch"])
        times[key] = times.get(key, 0) + row["tokens"]
    assert {document for document, _ in held} | {document for document, _ in times} == set(range(len(said)))
    assert not {document for document, _ in held} & {document for document, _ in times}
    for (document, _), tokens in times.items():
        assert tokens == copies[document] * len(packer.lists[document])
    assert all(ids == packer.lists[document] for (document, _), ids in held.items())
    ids = packer.ids()
    for row in packer.pieces():
        first = row["document_token"]
        got = ids[row["first_token"] : row["first_token"] + row["tokens"]].tolist()
        assert got == packer.lists[row["document"]][first : first + row["tokens"]]
    assert counts["documents"] == len(said)


def test_documents_that_fit_are_not_cut(packer: Packer) -> None:
    """Best fit cuts what is longer than a row; the counts say so, and what concatenation would have cut."""
    counts = packer()
    several = {}
    for row in packer.pieces():
        several.setdefault(row["document"], []).append(row)
        assert row["first_token"] // S == (row["first_token"] + row["tokens"] - 1) // S
    cut = {number for number, rows in several.items() if len(rows) > 1}
    assert cut == {number for number, ids in enumerate(packer.lists) if len(ids) > S}
    assert counts["documents_cut"] == len(cut)
    assert packer(packing="concat")["documents_cut"] == counts["documents_concat_would_cut"]
    assert sum(s["documents_cut"] for s in packer.about["sources"].values()) > len(cut)


def test_the_index_fits_the_layout(packer: Packer) -> None:
    """A tile is a sequence; rows behind the lanes are sequences by themselves, and so is the guard, of one token."""
    packer(lanes=7, tile_rows=2)
    told = packer.about["binaries"]["c_text_document"]
    reader = Reader(packer.out / "c_text_document")
    assert len(reader) == told["sequences"]
    assert reader.tokens == (told["rows"] - 1) * S + 1
    assert reader.lengths[0] == 2 * S
    assert reader.lengths[-1] == 1
    assert told["samples"] % 7 == 0
    assert told["rows"] - told["samples"] - 1 < 7


@pytest.mark.parametrize("packing", ["best-fit", "concat"])
def test_no_row_is_end_marks_alone(make, folder, tmp_path, packing) -> None:
    """The end mark of a document a token longer than its rows is left out where nothing else would be beside it."""
    packer = Packer(make, tmp_path, folder, [[*[7] * (3 * S), EOD]] * (1 if packing == "concat" else 5))
    counts = packer(packing=packing)
    rows = packer.ids()[:-1].reshape(-1, S)
    assert counts["rows"] == len(rows) == 3 * len(packer.lists)
    assert (rows == 7).all()
    assert (packer.ids()[-1], counts["padding"]) == (EOD, 0)


@pytest.mark.parametrize(
    "parameters",
    [
        {"lanes": 7, "tile_rows": 2},
        {"lanes": 7, "tile_rows": 2, "packing": "concat", "validation_rows": 10},
        {"layout": "stock", "mix": {"a": Portion(epochs=2), "b": Portion(epochs=0.5)}},
    ],
)
def test_sequences_of_pieces_are_another_index_alone(packer: Packer, monkeypatch, parameters) -> None:
    """Every other file is the same, and each sequence is a piece with what fills its row; the guard is one."""
    monkeypatch.setattr(provenance, "GROUP_ROWS", 7)  # pieces of a row in two row groups
    packer(**parameters)
    tiles, about = packer.digest(), packer.about
    packer(**parameters, sequences="pieces")
    pieces, named = packer.digest(), packer.about
    others = {name for name in tiles if tiles[name] != pieces[name]}
    assert {"manifest.json", "c_text_document.idx"} <= others  # of validation each row may be a piece
    assert others <= {"manifest.json", *(f"{name}.idx" for name in about["binaries"])}
    assert (about.get("sequences"), named["sequences"]) == (None, "pieces")
    for name, told in named["binaries"].items():
        reader = Reader(packer.out / name)
        firsts = [row["first_token"] for row in packer.pieces(name)]
        assert (reader.offsets // 2).tolist() == [*firsts, (told["rows"] - 1) * S]
        assert len(reader) == told["sequences"] == told["pieces"] + 1


def test_memory_and_place_do_not_show(packer: Packer, monkeypatch) -> None:
    """A worker of little memory has many buckets; the bytes are the same, the tables' too."""
    packer(validation_rows=10)
    whole = packer.digest()
    packer.inputs = type(packer.inputs)(
        **{**vars(packer.inputs), "bytes_per_worker": 4 * 5 * S * 2, "scratch": packer.root / "other"}
    )
    packer(validation_rows=10)
    assert packer.digest() == whole
    assert len(list((packer.root / "other").glob("rows-*/*.json"))) > 5


def test_it_goes_on_where_it_stopped(packer: Packer, monkeypatch) -> None:
    """After a failure in the last bucket, only that one is written; what is left behind changes nothing."""
    packer()
    whole = packer.digest()
    packer.inputs = type(packer.inputs)(
        **{**vars(packer.inputs), "bytes_per_worker": 4 * 50 * S * 2, "scratch": packer.root / "other"}
    )
    write, offsets = tasks._write_rows, []

    def failing(path, bucket, *rest):
        offsets.append(bucket.first)
        if len(offsets) == 3:
            raise RuntimeError("gone")
        write(path, bucket, *rest)

    monkeypatch.setattr(tasks, "_write_rows", failing)
    with pytest.raises(EngineError, match="gone"):
        packer()
    tried = len(offsets)
    assert tried > 3
    packer()
    assert offsets[tried:] == [offsets[2]]
    assert packer.digest() == whole


def test_scratch_of_other_bytes_is_found(packer: Packer, monkeypatch) -> None:
    """Tokens that changed between the two maps are refused, removed, and made anew."""
    scratch = packer.inputs.scratch
    gathered = tasks._gathered

    def spoiling(bucket, dtype):
        path = max(bucket.tokens, key=lambda path: path.stat().st_size)
        path.write_bytes(path.read_bytes()[:-1] + b"?")
        return gathered(bucket, dtype)

    with monkeypatch.context() as patch:
        patch.setattr(tasks, "_gathered", spoiling)
        with pytest.raises(DataError, match="other bytes than were written"):
            packer()
    packer()
    assert packer.found() == {(number, 0): ids for number, ids in enumerate(packer.lists)}
    assert scratch.exists()


def test_validation_shares_no_document_with_training(packer: Packer) -> None:
    """Nor in a second epoch; each document is in one of the two."""
    counts = packer(validation_rows=30, mix={"a": Portion(epochs=2), "b": Portion(epochs=1)})
    held, trained = packer.found("c_valid_text_document"), packer.found()
    assert 15 < counts["validation_rows"] < 60
    assert {number for number, _ in held}.isdisjoint({number for number, _ in trained})
    assert {number for number, _ in held} | {number for number, _ in trained} == set(range(len(packer.lists)))
    assert {epoch for _, epoch in held} == {0}
    for (number, _), ids in [*held.items(), *trained.items()]:
        assert ids == packer.lists[number]
    told = packer.about["binaries"]["c_valid_text_document"]
    assert told["for"] == "validation"
    assert told["samples"] == counts["validation_rows"] == told["rows"] - 1


def test_a_second_epoch_is_packed_anew(packer: Packer) -> None:
    """Two epochs and a half: each document twice or three times, in other company each time."""
    packer(mix={"a": Portion(epochs=2.5), "b": Portion(epochs=0)})
    found = packer.found()
    mine = [number for number, source in enumerate(packer.source) if source == "a"]
    assert {number for number, _ in found} == set(mine)
    for number in mine:
        assert found[number, 0] == found[number, 1] == packer.lists[number]
    epochs = packer.about["sources"]["a"]["epochs"]
    assert [e["rows_taken"] / e["rows"] for e in epochs] == [
        1,
        1,
        pytest.approx(0.5, abs=0.5 / epochs[0]["rows"]),
    ]
    together = [{}, {}]
    for row in packer.pieces():
        if row["epoch"] < 2:
            together[row["epoch"]].setdefault(row["first_token"] // S, set()).add(row["document"])
    company = [{frozenset(row) for row in rows.values() if len(row) > 1} for rows in together]
    assert len(company[0] & company[1]) < len(company[0]) / 2


def test_tokens_and_weights_are_counted_exactly(packer: Packer) -> None:
    """What was asked of each source is what its rows hold, to the nearest row; the manifest says how much."""
    packer(mix={"a": Portion(tokens=1500), "b": Portion(tokens=700)})
    sources = packer.about["sources"]
    for name, asked in (("a", 1500), ("b", 700)):
        taken = sum(e["tokens_taken"] for e in sources[name]["epochs"])
        assert abs(taken - asked) <= 2 * S
        mine = sum(row["tokens"] for row in packer.pieces() if packer.source[row["document"]] == name)
        assert mine == taken
    packer(mix={"a": Portion(weight=3), "b": Portion(weight=1)})
    a, b = (sum(e["tokens_taken"] for e in packer.about["sources"][name]["epochs"]) for name in "ab")
    assert a / b == pytest.approx(3, rel=0.1)


def test_every_binary_says_how_much_of_each_source_it_has(packer: Packer) -> None:
    """In rows, each of one source, and in tokens: what losses by source are counted against."""
    packer(mix={"a": Portion(epochs=2), "b": Portion(epochs=1)}, validation_rows=10)
    for name, told in packer.about["binaries"].items():
        rows, tokens = {}, dict.fromkeys("ab", 0)
        for piece in packer.pieces(name):
            source = packer.source[piece["document"]]
            rows.setdefault(piece["first_token"] // S, set()).add(source)
            tokens[source] += piece["tokens"]
        assert all(len(sources) == 1 for sources in rows.values())
        wanted = {s: {"rows": sum(s in row for row in rows.values()), "tokens": tokens[s]} for s in tokens}
        assert told["sources"] == wanted
        assert sum(counted["rows"] for counted in wanted.values()) == told["rows"] - 1


def test_stock_makes_files_of_a_planned_size(packer: Packer) -> None:
    """As many as it takes, each with its guard, and no document lost."""
    packer(layout="stock", file_gb=1e-6)
    names = sorted(packer.about["binaries"])
    assert len(names) > 3
    assert names[0] == "c_00_text_document"
    assert all((packer.out / f"{name}.bin").stat().st_size <= 1000 for name in names)
    tokens = sum(row["tokens"] for name in names for row in packer.pieces(name))
    assert tokens == sum(map(len, packer.lists))


@pytest.mark.parametrize(
    ("parameters", "fault"),
    [
        ({"lanes": 100_000}, r"pack\.lanes: got 100000 lanes for \d+ rows"),
        ({"tile_rows": 1 << 30}, r"pack\.tile_rows: got 1073741824 rows of 32 bytes"),
        ({"file_gb": 1e-6}, r"pack\.file_gb: got 1e-06, wanted at least .*: lanes are one file"),
        (
            {"file_gb": 1e-6, "layout": "stock", "sequences": "pieces"},
            r"pack\.sequences: got pieces in \d+ binaries for training, wanted one",
        ),
    ],
)
def test_what_cannot_be_is_refused(packer: Packer, parameters, fault: str) -> None:
    """With the parameter's name and a way out."""
    with pytest.raises(ParameterError, match=fault) as caught:
        packer(**parameters)
    assert caught.value.hint


def test_pieces_beyond_int32_are_refused_before_one_is_moved(packer: Packer, monkeypatch) -> None:
    """By the count of the plan; tiles are fewer."""
    monkeypatch.setattr(plan, "MOST_SEQUENCES", 100)
    with pytest.raises(ParameterError, match=r"pack\.sequences: got about \d+ pieces, wanted less") as caught:
        packer(sequences="pieces")
    assert "sequences: tiles" in str(caught.value.hint)
    assert not list(packer.inputs.scratch.glob("tokens-*"))
    packer()


def test_more_validation_than_there_is_is_refused(packer: Packer) -> None:
    """Half of a source at most."""
    with pytest.raises(ValueError, match="validation_rows: got"):
        packer(validation_rows=10_000)


@pytest.mark.parametrize(
    ("lists", "fault"),
    [
        (
            [[5, EOD], [5, EOD, 6, EOD]],
            "end mark 2: got it missing from or inside 1 documents, the first .* place 1",
        ),
        ([[5, 6], [5, EOD]], "end mark 2: got it missing"),
        ([[5, 399, EOD], [400, EOD]], "ids: got 2 to 400, wanted 0 to 399"),
    ],
)
def test_tokens_that_are_not_as_encode_writes_them(make, folder, tmp_path, lists, fault: str) -> None:
    """An end mark inside a document would end it there for every reader."""
    packer = Packer(make, tmp_path, folder, lists)
    with pytest.raises(DataError, match=fault):
        packer(lanes=1)


@pytest.mark.parametrize("change", [{"tokenizer": "0" * 64}, {"eod": 3}])
def test_tokens_of_another_tokenizer_are_refused(make, folder, tmp_path, change) -> None:
    """Every table of tokens says whose ids it holds."""
    packer = Packer(make, tmp_path, folder, [[5, EOD]], [[6, EOD]])
    strange = make.shard(
        tmp_path / "x",
        1,
        documents=make.documents(["1 0"], source="s1"),
        tokens=table(folder, [[6, EOD]], **change),
    )
    packer.inputs = make.inputs(packer.inputs.shards[0], strange, tokenizer=folder)
    with pytest.raises(DataError, match="got tokens of tokenizer"):
        packer(lanes=1)


@pytest.mark.parametrize("shards", [[], [[]], [[None]], [[], [None, None]]])
def test_nothing_to_pack(make, folder, tmp_path, shards):
    """No reader maps an empty file, so none is left behind."""
    packer = Packer(make, tmp_path, folder, *shards)
    with pytest.raises(ValueError, match="got no document"):
        packer()
    assert not list((tmp_path / "out1").glob("*.bin"))
