"""Every stage of the catalogue keeps the contract of its shape; a new one is tested by being listed."""

from __future__ import annotations

import gzip
import json
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from kakehi.filters.signals import FAMILIES
from kakehi.pipeline.engines.engine import Failure
from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.engines.kernels import KERNELS
from kakehi.pipeline.errors import CorpusError, DataError
from kakehi.pipeline.planning.resolve import ARTIFACTS
from kakehi.pipeline.sources.split import Split
from kakehi.pipeline.stages.catalogue import STAGES
from kakehi.pipeline.stages.dedupe.remember import remember
from kakehi.pipeline.stages.dedupe.sign import sign
from kakehi.pipeline.stages.dedupe.signing import Signed
from kakehi.pipeline.stages.encode import encode
from kakehi.pipeline.stages.inputs import Inputs, StepSummary
from kakehi.pipeline.stages.pack.pack import pack
from kakehi.pipeline.stages.screen import VERDICT
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.stages.train import train
from kakehi.pipeline.stages.withdraw import WITHDRAWN
from kakehi.pipeline.storage.addresses import versions
from kakehi.pipeline.storage.schemas import (
    DOCUMENTS,
    EARLIER,
    GROUPS,
    HITS,
    KEEP,
    PAIRS,
    REJECTS,
    TOKENS,
    Table,
    rows_of,
)
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.shards import InputFile
from kakehi.pipeline.storage.store import Receipt, Store
from kakehi.pipeline.storage.tables import IDS_KEY, lockstep


@dataclass(frozen=True, kw_only=True)
class Made:
    """What a stage can't be called without.

    Args:
        parameters: those without a default, and what keeps a test short; from a folder with `tokenizer`, and `earlier`,
            the work folder of a run that remembered its documents.
        writes: schema of the table, one a shard, that a row-wise or a corpus stage writes.
        file: name and content of an input file of two documents or more, for a source stage, and of one of none.
        uncounted: counts that say how the work was cut, not what came of it.
    """

    parameters: Callable[[Path], dict[str, Any]] = lambda _: {}
    writes: pa.Schema | None = None
    file: Callable[[Any], tuple[str, bytes, bytes]] | None = None
    uncounted: tuple[str, ...] = ()


PACK = next(stage for stage in STAGES if stage.name == "pack")
SIGNED = Signed("characters", 5, "key", "affine32", 2, 2, 1)

MADE: dict[str, Made] = {
    "archive": Made(parameters=lambda _: {"paths": ["warc.paths"]}),
    "crawl": Made(parameters=lambda _: {"contact": "mailto:a@b.example", "seeds": ["https://a.example/"]}),
    "extract": Made(
        file=lambda make: (
            "a.warc.gz",
            make.page("https://a.example/1") + make.page("https://a.example/2"),
            gzip.compress(b"", mtime=0),
        )
    ),
    "ingest": Made(file=lambda _: ("a.jsonl", b'{"text": "a"}\n{"text": "b"}\n{}\n', b"")),
    "measure": Made(
        parameters=lambda _: {"families": ["script", "lines"]},
        writes=pa.schema(
            [
                pa.field(signal.name, signal.dtype)
                for name in ("script", "lines")
                for signal in FAMILIES[name].signals
            ]
        ),
    ),
    "screen": Made(parameters=lambda _: {"rules": [{"signal": "kana_share", "min": 0.5}]}, writes=VERDICT),
    "withdraw": Made(writes=WITHDRAWN),
    "exact": Made(writes=GROUPS, uncounted=("passes",)),
    "sign": Made(parameters=lambda _: {"bands": 2, "rows": 2}, writes=SIGNED.schema()),
    "pair": Made(writes=PAIRS),
    "compare": Made(parameters=lambda root: {"against": {"earlier": root / "earlier"}}, writes=HITS),
    "against": Made(writes=EARLIER),
    "keep": Made(writes=KEEP),
    "remember": Made(),
    "train": Made(parameters=lambda root: {"existing": root / "tokenizer" / "tokenizer.model"}),
    "encode": Made(parameters=lambda _: {"eod": "</s>"}, writes=TOKENS),
    "pack": Made(parameters=lambda _: {"sequence_tokens": 16, "lanes": 2, "tile_rows": 2}),
    "index": Made(),
    "export": Made(),
    "report": Made(),
}

TEXTS = ["吾輩は猫である。\n名前はまだ無い。", "𠮷", "かきくけこ", "x" * 9000, "かきくけこ", "ガか。"]


def made_for(stage: Stage) -> Made:
    """Give a stage's entry, or say what to add."""
    if stage.name not in MADE:
        needed = {
            "fetch": "parameters",
            "source": "file",
            "rows": "writes, and parameters",
            "corpus": "writes if it has a table a shard, and parameters",
        }[stage.shape]
        pytest.fail(
            f"{stage.name}: is listed in STAGES; add an entry for it to MADE in tests/contract/test_stages.py: {needed}"
        )
    return MADE[stage.name]


def of_shape(*shapes: str) -> pytest.MarkDecorator:
    stages = [stage for stage in STAGES if stage.shape in shapes]
    return pytest.mark.parametrize("stage", stages, ids=[stage.name for stage in stages])


every_stage = of_shape("fetch", "source", "rows", "corpus")


@pytest.fixture(scope="module")
def root(make, tmp_path_factory) -> Path:
    """Give a folder with a small tokenizer and an earlier run's history."""
    root: Path = tmp_path_factory.mktemp("stages")
    (root / "tokenizer").mkdir()
    batch = make.documents([make.text(i) for i in range(30)])
    learnt = make.shard(root, 0, documents=batch, verdict=_verdicts(batch, 0, root))
    train(make.inputs(learnt), root / "tokenizer", Inline(), vocab_size=400, num_threads=1)
    work = root / "earlier"
    batch = make.documents(TEXTS[:3], source="old")
    shard = make.shard(work / "t", 0, documents=batch, keys=TABLES["keys"](batch, 0, root))
    path = make.file(work / "ingest" / "address" / "old" / "0.parquet", b"")
    shard.paths["documents"][0].replace(path)
    shard = replace(shard, paths={**shard.paths, "documents": (path,)})
    attempt = Store(work).attempt()
    remember(make.inputs(shard), attempt, Inline())
    Store(work).publish(attempt, Receipt(step="remember", source=None, shard=None, address="f" * 16))
    return root


def parameters_of(stage: Stage, root: Path) -> dict[str, Any]:
    """Validate and fill in a stage's made-up parameters."""
    return dict(stage.model()(**made_for(stage).parameters(root)).model_dump())


def arguments_of(stage: Stage, root: Path) -> dict[str, Any]:
    """Give the parameters as a row-wise or corpus stage gets them: validated, not plain."""
    model = stage.model()(**made_for(stage).parameters(root))
    return {name: getattr(model, name) for name in type(model).model_fields}


def _verdicts(batch: pa.RecordBatch, _ordinal: int, _root: Path) -> pa.RecordBatch:
    verdicts = ["screen:x" if row == 1 else None for row in range(batch.num_rows)]
    return pa.record_batch({"verdict": pa.array(verdicts, pa.string())})


def _signals(batch: pa.RecordBatch, _ordinal: int, _root: Path) -> pa.RecordBatch:
    return pa.record_batch(
        {"kana_share": pa.array([0.1 * row for row in range(batch.num_rows)], pa.float64())}
    )


def _groups(batch: pa.RecordBatch, ordinal: int, _root: Path) -> pa.RecordBatch:
    sizes = pa.array([1] * batch.num_rows, pa.uint32())
    return pa.RecordBatch.from_arrays([pa.array(rows_of(ordinal, batch.num_rows)), sizes], schema=GROUPS)


def _keys(batch: pa.RecordBatch, _ordinal: int, _root: Path) -> pa.RecordBatch:
    return sign(batch, bands=SIGNED.bands, rows=SIGNED.rows)


def _hits(batch: pa.RecordBatch, _ordinal: int, _root: Path) -> pa.RecordBatch:
    hit = {"similarity": 0.9, "partner": bytes(16), "partner_run": "old", "partner_row": 1}
    rows = [hit if row == 2 else {} for row in range(batch.num_rows)]
    return pa.RecordBatch.from_pylist(rows, schema=HITS)


def _tokens(batch: pa.RecordBatch, _ordinal: int, root: Path) -> pa.RecordBatch:
    kept = pa.array([row != 1 for row in range(batch.num_rows)], pa.bool_())
    return encode(batch.select(["text"]).append_column("kept", kept), root / "tokenizer", eod="</s>")


#: The row-wise tables a stage may read, from (documents, ordinal of the shard, folder).
TABLES: dict[Table, Callable[[pa.RecordBatch, int, Path], pa.RecordBatch]] = {
    "verdict": _verdicts,
    "signals": _signals,
    "groups": _groups,
    "keys": _keys,
    "hits": _hits,
    "tokens": _tokens,
}


def written(make, home: Path, root: Path, stage: Stage, shards: Iterable[list[str]]) -> list[ShardTables]:
    """Write the row-wise tables that a stage reads, of shards of texts."""
    names = [name for name in dict.fromkeys((*stage.reads, *stage.optional)) if name not in ARTIFACTS]
    unknown = [name for name in names if name != "documents" and name not in TABLES]
    assert not unknown, f"{stage.name}: reads {unknown}; add them to TABLES in tests/contract/test_stages.py"
    made = []
    for ordinal, texts in enumerate(shards):
        batch = make.documents(texts, source=f"s{ordinal}")
        tables = {name: TABLES[name](batch, ordinal, root) for name in names if name != "documents"}
        made.append(make.shard(home, ordinal, documents=batch, **tables))
        if not texts:  # as a run names it; rows say it elsewhere
            made[-1] = replace(made[-1], source=f"s{ordinal}")
    return made


@every_stage
def test_there_is_an_entry(stage: Stage) -> None:
    """A stage that is listed has what it needs here; else the failure says what to add."""
    made_for(stage)


@every_stage
def test_the_record_pickles(stage: Stage) -> None:
    """It travels in a summary of steps, and is the same there."""
    assert pickle.loads(pickle.dumps(stage)) == stage  # noqa: S301 - our own bytes


@every_stage
def test_parameters_are_filled_in_or_named(stage: Stage) -> None:
    """Defaults are valid; without one, exactly the parameters that lack are named; nothing else is taken."""
    model = stage.model()
    required = {name for name, field in model.model_fields.items() if field.is_required()}
    if required:
        with pytest.raises(ValidationError) as refused:
            model()
        faults = [(fault["type"], fault["loc"]) for fault in refused.value.errors()]
        assert sorted(faults) == sorted(("missing", (name,)) for name in required)
    else:
        filled = model().model_dump()
        assert model(**filled).model_dump() == filled
    with pytest.raises(ValidationError, match="Extra inputs are not permitted"):
        model(no_such_parameter=1)


@every_stage
def test_the_record_says_what_there_is(stage: Stage, root: Path) -> None:
    """Libraries are installed, kernels and columns known, tables those of the schemas, the version counted from 1."""
    parameters = parameters_of(stage, root)
    assert all(versions(stage.libraries_for(parameters)).values())
    assert set(stage.kernels_for(parameters)) <= KERNELS.keys()
    assert set(stage.columns_for(parameters)) <= set(DOCUMENTS.names)
    assert {*stage.reads, *stage.optional, *([stage.writes] if stage.writes else [])} <= set(get_args(Table))
    assert set(stage.aside) <= parameters.keys()
    assert stage.version >= 1
    assert stage.whole is None or set(parameters) == {stage.whole}
    assert stage.describe is None or stage.describe(parameters)
    assert (stage.shards is not None) is (stage.shape == "fetch")


class Read(NamedTuple):
    """All rows that a source stage gave, and what it counted."""

    documents: pa.Table
    rejects: pa.Table
    counts: dict[str, int]


def read(stage: Stage, root: Path, path: Path, **more: Any) -> Read:
    """Read a file by a source stage; every batch has the declared schema."""
    file = InputFile(name=path.name, path=path, size=path.stat().st_size, mtime_ns=1)
    rows = list(
        stage.run(Split("s", file, {}, more.pop("limit", None), **more), **parameters_of(stage, root))
    )
    counts: dict[str, int] = {}
    for one in rows:
        counts = {key: counts.get(key, 0) + one.counts.get(key, 0) for key in {*counts, *one.counts}}
    # `from_batches` refuses a batch of another schema
    return Read(
        pa.Table.from_batches([one.documents for one in rows], DOCUMENTS),
        pa.Table.from_batches([one.rejects for one in rows], REJECTS),
        counts,
    )


@pytest.fixture
def source_files(make, tmp_path: Path) -> Callable[[Stage], tuple[Path, Path]]:
    """Give a maker of a source stage's input file, and of one that has no record."""

    def written(stage: Stage) -> tuple[Path, Path]:
        file = made_for(stage).file
        assert file is not None, f"{stage.name}: its entry in MADE lacks a file to read"
        name, content, nothing = file(make)
        return make.file(tmp_path / name, content), make.file(tmp_path / "none" / name, nothing)

    return written


@of_shape("source")
def test_a_source_gives_rows_of_the_declared_schemas(stage: Stage, root: Path, source_files) -> None:
    """Documents and rejects have those of the schemas, and every record is one of both."""
    found = read(stage, root, source_files(stage)[0])
    assert found.documents.num_rows >= 2
    assert found.counts["documents"] == found.documents.num_rows
    assert found.counts["records"] == found.documents.num_rows + found.rejects.num_rows
    ids = [*found.documents["id"].to_pylist(), *found.rejects["id"].to_pylist()]
    assert len(set(ids)) == len(ids)


@of_shape("source")
def test_an_empty_split_gives_no_rows(stage: Stage, root: Path, source_files) -> None:
    """Of a file without records, or of none of a file's records; what there is has the declared schemas."""
    full, nothing = source_files(stage)
    for found in (read(stage, root, nothing), read(stage, root, full, limit=0)):
        assert (found.documents.num_rows, found.rejects.num_rows) == (0, 0)
        assert not found.counts.get("documents")


@of_shape("source")
def test_a_source_is_cut_and_skipped_by_record(stage: Stage, root: Path, source_files) -> None:
    """A limit gives the first ones; a record left out is a reject with that reason; reading again gives the same."""
    path, _ = source_files(stage)
    whole = read(stage, root, path)
    assert read(stage, root, path) == whole
    assert read(stage, root, path, limit=1).documents.equals(whole.documents.slice(0, 1))
    without = read(stage, root, path, skip=frozenset(whole.documents["offset"].to_pylist()[:1]))
    assert without.documents.equals(whole.documents.slice(1))
    assert "skipped" in without.rejects["reason"].to_pylist()


class Rows(NamedTuple):
    """A row-wise stage that needs no more than a batch, and batches as a task gives them."""

    run: Callable[[pa.RecordBatch], pa.RecordBatch]
    full: pa.RecordBatch
    empty: pa.RecordBatch


@pytest.fixture
def rows(make, root: Path, tmp_path: Path) -> Callable[[Stage], Rows]:
    """Give a maker of what a row-wise stage reads, through files, as a task reads it."""

    def made(stage: Stage) -> Rows:
        [shard] = written(make, tmp_path, root, stage, [TEXTS])
        tables = {name: paths for name, paths in shard.paths.items() if name in stage.reads}
        full, empty = lockstep(tables, stage.columns_for(parameters_of(stage, root)), empty=True)
        artifacts = [root / name for name in stage.reads if name in ARTIFACTS]
        arguments = arguments_of(stage, root)
        return Rows(lambda batch: stage.run(batch, *artifacts, **arguments), full, empty)

    return made


def same(left: pa.RecordBatch, right: pa.RecordBatch) -> bool:
    """Tell whether two batches hold the same values, NaN being itself."""
    return left.schema.equals(right.schema) and repr(left.to_pylist()) == repr(right.to_pylist())


def copied(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give the same rows in memory of their own."""
    with pa.ipc.open_stream(streamed(batch)) as stream:
        return stream.read_next_batch()


def streamed(batch: pa.RecordBatch) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, batch.schema) as stream:
        stream.write_batch(batch)
    return bytes(sink.getvalue())


@of_shape("rows")
def test_rows_have_the_declared_schema(stage: Stage, rows) -> None:
    """As many as there were, whatever their number; a table of several batches has one schema."""
    run, full, empty = rows(stage)
    wanted = made_for(stage).writes
    assert wanted is not None, f"{stage.name}: its entry in MADE lacks the schema it writes"
    for batch in (full, empty, full.slice(0, 0), full.slice(1, 1)):
        out = run(batch)
        assert out.schema == wanted
        assert out.num_rows == batch.num_rows
        assert out.schema.metadata == run(full).schema.metadata
        out.validate(full=True)


@of_shape("rows")
@pytest.mark.parametrize("where", [0, 1, 3, 6])
def test_two_parts_are_the_whole(stage: Stage, rows, where: int) -> None:
    """Where a batch is cut changes no row."""
    run, full, _ = rows(stage)
    parts = pa.Table.from_batches([run(full.slice(0, where)), run(full.slice(where))])
    assert same(parts, pa.Table.from_batches([run(full)]))


@of_shape("rows")
def test_slices_are_honoured(stage: Stage, rows) -> None:
    """A slice with an offset gives what its own rows give."""
    run, full, _ = rows(stage)
    sliced = full.slice(2, 3)
    assert same(run(sliced), run(copied(sliced)))
    assert same(run(sliced), run(full).slice(2, 3))


@of_shape("rows")
def test_input_stays_as_it_is(stage: Stage, rows) -> None:
    """No byte of the batch changes, and running again gives the same."""
    run, full, _ = rows(stage)
    before = streamed(full)
    assert same(run(full), run(full))
    assert streamed(full) == before


#: What a corpus stage may meet, as texts of shards.
CORPORA: dict[str, list[list[str]]] = {
    "no shard": [],
    "a shard without documents": [[]],
    "two shards": [TEXTS, TEXTS[::-1]],
    "one of them empty": [TEXTS[:2], [], TEXTS[2:]],
}


class Elsewhere:
    """An engine that sends all it is given through pickle, and ends its tasks in the wrong order."""

    def map(self, task: Any, items: Iterable[Any], /) -> Iterator[tuple[int, Any]]:
        for position, item in reversed(list(enumerate(items))):
            task, sent = pickle.loads(pickle.dumps((task, item)))  # noqa: S301 - our own bytes
            [(_, result)] = Inline().map(task, [sent])
            yield position, result if isinstance(result, Failure) else pickle.loads(pickle.dumps(result))  # noqa: S301


class Corpus(NamedTuple):
    """What a corpus stage left behind: bytes by name, and counts; or its error."""

    files: Mapping[str, bytes]
    counts: Mapping[str, int]
    error: CorpusError | None
    shards: tuple[ShardTables, ...]


@pytest.fixture
def corpus(make, root: Path, tmp_path: Path) -> Callable[..., Corpus]:
    """Give a runner of a corpus stage on shards of texts, as the runner calls it."""

    def run(stage: Stage, texts: list[list[str]], engine: Any = None, memory: int = 4 << 30) -> Corpus:
        home = tmp_path / f"{len(list(tmp_path.iterdir()))}"
        shards = tuple(written(make, home / "work" / "in", root, stage, texts))
        out = home / stage.name / "ADDRESS"
        out.mkdir(parents=True)
        inputs = Inputs(
            corpus="c",
            shards=shards,
            scratch=home / stage.name / "ADDRESS2" / ".shuffle",
            artifacts={
                name: artifact(make, name, home, root, texts)
                for name in (*stage.reads, *stage.optional)
                if name in ARTIFACTS
            },
            bytes_per_worker=memory,
            steps=summed_up(shards) if stage.summary else (),
        )
        try:
            counts = stage.run(inputs, out, engine or Inline(), **arguments_of(stage, root))
        except (CorpusError, ValueError) as error:  # the second is made the first where stages are run
            words = f"{stage.name}: {str(error).removeprefix(f'{stage.name}: ')}"
            said = error if isinstance(error, CorpusError) else DataError(words)
            return Corpus({}, {}, said, shards)
        paths = sorted(path for path in out.rglob("*") if path.is_file())
        files = {path.relative_to(out).as_posix(): path.read_bytes() for path in paths}
        return Corpus(files, counts, None, shards)

    return run


def artifact(make, name: Table, home: Path, root: Path, texts: list[list[str]]) -> Path:
    """Make the folder of a table that is no rows of shards."""
    if name == "tokenizer":
        return root / "tokenizer"
    if name == "packed":
        shards = written(make, home / "packed-in", root, PACK, CORPORA["two shards"])
        out = home / "pack" / "ADDRESS"
        out.mkdir(parents=True)
        pack(make.inputs(*shards, tokenizer=root / "tokenizer"), out, Inline(), sequence_tokens=16, lanes=2)
        return out
    assert name == "pairs", f"{name!r}: say how it is made in `artifact` in tests/contract/test_stages.py"
    folder = home / "pairs" / "ADDRESS"
    folder.mkdir(parents=True)
    for ordinal, rows in enumerate(texts):
        first = ordinal << 40
        found = [{"a": first + 2, "b": first + 4, "shared": 9, "union": 10}] if len(rows) > 4 else []
        path = folder / f"s{ordinal}" / f"shard-{ordinal}.parquet"
        path.parent.mkdir()
        pq.write_table(pa.Table.from_pylist(found, schema=PAIRS), path)
    return folder


def summed_up(shards: Iterable[ShardTables]) -> tuple[StepSummary, ...]:
    """Say of each shard that it was ingested."""
    ingest = next(stage for stage in STAGES if stage.name == "ingest")
    return tuple(
        StepSummary(
            name="ingest",
            source=shard.source,
            stage=ingest,
            parameters={},
            receipts=(
                Receipt(
                    step="ingest",
                    source=shard.source,
                    shard=shard.name,
                    address="a",
                    counts={"records": shard.rows, "documents": shard.rows},
                ),
            ),
        )
        for shard in shards
    )


@pytest.mark.slow
@of_shape("corpus")
@pytest.mark.parametrize("what", CORPORA)
def test_a_corpus_gives_declared_tables_or_one_clear_error(stage: Stage, what: str, corpus) -> None:
    """A table of every shard, none for nothing, and counts of whole numbers; or words that name the stage or the input."""
    found = corpus(stage, CORPORA[what])
    if found.error is not None:
        assert not any(CORPORA[what]), found.error
        assert str(found.error).startswith(f"{stage.name}")
        return
    assert all(isinstance(value, int) for value in found.counts.values())
    json.dumps(found.counts)
    wanted = made_for(stage).writes
    if wanted is None:
        return
    assert sorted(found.files) == sorted(f"{shard.source}/{shard.name}.parquet" for shard in found.shards)
    for shard in found.shards:
        written_table = pa.BufferReader(found.files[f"{shard.source}/{shard.name}.parquet"])
        table = pq.read_table(written_table)
        assert table.schema.equals(wanted)
        if stage.writes not in ARTIFACTS:
            assert table.num_rows == shard.rows
            assert pq.read_metadata(written_table).metadata[IDS_KEY].decode() == shard.ids


@pytest.mark.slow
@of_shape("corpus")
def test_no_engine_and_no_memory_decides(stage: Stage, corpus) -> None:
    """Tasks that travel and end in the wrong order, and many small slices, give the same bytes."""
    texts = CORPORA["one of them empty"]
    whole = corpus(stage, texts)
    assert whole.error is None
    for engine, memory in ((Elsewhere(), 4 << 30), (Inline(), 64)):
        other = corpus(stage, texts, engine, memory)
        assert other.files == whole.files
        cut = made_for(stage).uncounted
        assert {k: v for k, v in other.counts.items() if k not in cut} == {
            k: v for k, v in whole.counts.items() if k not in cut
        }
