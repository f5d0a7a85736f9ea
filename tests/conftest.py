"""What whole runs need: the command as a function, and makers of small inputs."""

from __future__ import annotations

import contextlib
import gzip
import io
import json
import random
import signal
import sys
import tempfile
import uuid
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, cast

import pyarrow as pa
import pytest
from hypothesis import settings

from kakehi.pipeline.cli.main import main
from kakehi.pipeline.engines.kernels import SOURCES, forget_stale
from kakehi.pipeline.interrupts import raise_interrupt
from kakehi.pipeline.sources.documents import Collector, Normalisation
from kakehi.pipeline.sources.split import Split
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.storage.schemas import DOCUMENTS, Table
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.tables import TableWriter

WHO = ["私", "彼女", "先生", "東京都", "研究所", "新しい計算機", "日本語の文章", "図書館", "となりの猫"]
WHAT = ["本", "大規模言語モデル", "長い手紙", "資料", "データ", "古い地図", "赤いりんご", "ラジオ"]
DID = ["調べた", "読んでいる", "作りました", "走らせる", "考えていた", "届けた", "たずねている"]
JOIN = ["しかし", "また", "きのうは", "なお、", "それから", "ところが"]


def pytest_configure() -> None:
    """Give hypothesis no deadline: whichever test of a kernel comes first waits for its compilation."""
    settings.register_profile(
        "kakehi", settings.default, deadline=None
    )  # in CI the default is without chance
    settings.load_profile("kakehi")


def pytest_sessionstart() -> None:
    """Test the kernels that are written, not what was compiled of older ones; hear Ctrl-C in the background too."""
    forget_stale(SOURCES)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell has what runs behind it ignore that


class Said(NamedTuple):
    """What a command ended with and wrote."""

    code: int
    out: str
    err: str


class Make:
    """Makers of small inputs, all a function of their arguments."""

    @staticmethod
    def text(seed: object, sentences: int = 8) -> str:
        """Give Japanese sentences, the same for the same seed."""
        rng = random.Random(repr(seed))  # noqa: S311 - not for secrets
        return "\n".join(
            f"{rng.choice(WHO)}は{rng.choice(WHAT)}を{rng.choice(DID)}。{rng.choice(JOIN)}"
            f"{rng.choice(WHO)}が{rng.choice(WHAT)}を{rng.choice(DID)}。"
            for _ in range(sentences)
        )

    @staticmethod
    def html(text: str, *, head: str = "", lang: str = "ja") -> str:
        """Give a page whose main text is the text."""
        body = "".join(f"<p>{line}</p>" for line in text.split("\n"))
        title = f"<title>{text[:12]}</title>"
        return f'<!DOCTYPE html><html lang="{lang}"><head>{head}{title}</head><body><main>{body}</main></body></html>'

    @staticmethod
    def response(
        url: str,
        body: bytes,
        *,
        kind: str = "text/html; charset=UTF-8",
        status: str = "200 OK",
        wrong_by: int = 0,
        pack: bool = True,
    ) -> bytes:
        """Give one WARC response record, a gzip member by itself."""
        block = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\n\r\n".encode() + body
        head = (
            f"WARC/1.0\r\nWARC-Type: response\r\nWARC-Record-ID: <urn:test:{url}>\r\n"
            f"WARC-Date: 2026-04-01T00:00:00Z\r\nWARC-Target-URI: {url}\r\n"
            f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(block) + wrong_by}\r\n\r\n"
        )
        plain = head.encode() + block + b"\r\n\r\n"
        return gzip.compress(plain, mtime=0) if pack else plain

    def page(self, url: str, sentences: int = 8) -> bytes:
        """Give the record of a good page of its own text."""
        return self.response(url, self.html(self.text(url, sentences)).encode())

    @staticmethod
    def file(path: Path, content: bytes | str) -> Path:
        """Write a file and the folders above it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    def warc(self, path: Path, records: Iterable[bytes]) -> Path:
        """Write a WARC file."""
        return self.file(path, b"".join(records))

    def jsonl(self, path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
        """Write JSON lines."""
        return self.file(path, "".join(json.dumps(row) + "\n" for row in rows))

    def texts(self, path: Path, count: int, *, seed: object = 0, sentences: int = 8) -> Path:
        """Write JSON lines of `count` different documents with ids and URLs."""
        rows = (
            {
                "id": f"{seed}-{i}",
                "url": f"https://{seed}.example/{i}",
                "text": self.text((seed, i), sentences),
            }
            for i in range(count)
        )
        return self.jsonl(path, rows)

    @staticmethod
    def documents(texts: Iterable[str], *, source: str = "s", fetched: str | None = None) -> pa.RecordBatch:
        """Give a batch of documents, ids by their number."""
        collector = Collector(
            Split(source, None, {"dataset": "d"}, None), normalisation=Normalisation(), rejects="rows"
        )
        for number, text in enumerate(texts):
            url = f"https://{source}.example/{number}"
            named = {"title": None, "url": url, "fetched": fetched}
            collector.add((number, 1), record_id=str(number), text=text, **named)
        return next(
            (rows.documents for rows in collector.flush()), pa.RecordBatch.from_pylist([], schema=DOCUMENTS)
        )

    @staticmethod
    def shard(root: Path, ordinal: int, **tables: pa.RecordBatch) -> ShardTables:
        """Write the tables of one shard: documents, and what a stage made of them."""
        paths: dict[Table, tuple[Path, ...]] = {"verdict": ()}
        ids = ""
        for name, batch in tables.items():
            path = root / name / f"{ordinal}.parquet"
            with TableWriter(path, batch.schema) as writer:
                if name == "documents":
                    writer.note_ids(batch.column("id"))
                writer.write(batch)
                ids = writer.close(None if name == "documents" else ids)
            paths[cast(Table, name)] = (path,)
        source = tables["documents"].column("source")
        return ShardTables(
            source=source[0].as_py() if len(source) else "s",
            name=f"shard-{ordinal}",
            ordinal=ordinal,
            paths=paths,
        )

    @staticmethod
    def inputs(*shards: ShardTables, **artifacts: Path) -> Inputs:
        """Give what a corpus stage reads."""
        home = shards[0].paths["documents"][0].parents[1] if shards else Path(tempfile.gettempdir())
        scratch = home / f".shuffle-{uuid.uuid4().hex}"  # new ones: what lies there is not made again
        return Inputs(
            corpus="c", shards=shards, scratch=scratch, artifacts=cast(dict[Table, Path], artifacts)
        )


@pytest.fixture(scope="session")
def make() -> Make:
    """Give the makers."""
    return Make()


@pytest.fixture(scope="session")
def packed_runs(make: Make, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Give work folders of finished runs, packed in lanes and as stock, of tiles and of pieces, with index maps; no test may change them."""
    home = tmp_path_factory.mktemp("packed")
    make.texts(home / "a.jsonl", 60, seed="a")
    rows = ({"id": str(i), "text": make.text(("b", i), 1 + i % 40)} for i in range(60))
    make.jsonl(home / "b.jsonl", rows)
    runs = {}
    for layout, shape in (
        ("lanes", "lanes: 12, tile_rows: 4"),
        ("stock", "layout: stock"),
        ("pieces", "lanes: 12, tile_rows: 4, sequences: pieces"),
        ("stock pieces", "layout: stock, sequences: pieces"),
    ):
        manifest = make.file(
            home / f"{layout}.yaml",
            "corpus: c\n"
            "sources: {a: {ingest: {files: a.jsonl, fields: {text: text, id: id, url: url}}}, b: {ingest: {files: b.jsonl}}}\n"
            "train: {vocab_size: 400}\nencode: {eod: </s>}\n"
            f"pack: {{sequence_tokens: 32, validation_rows: 30, mix: {{a: {{epochs: 2}}, b: {{epochs: 1}}}}, {shape}}}\n"
            "index: {readers: [core, fork], tokenizer: {type: SentencePieceTokenizer, core: [0.19]}, "
            "schedule: {global_batch: 4, eval_interval: 10, eval_iters: 1}, "
            "jobs: [{micro_batch: 1, data_parallel: 4}]}\n",
        )
        said = _kakehi("run", manifest, "--work", home / "work")
        assert said.code == 0, said.err
        [pack] = [path for path in (home / "work" / "pack").iterdir() if path not in runs.values()]
        runs[layout] = pack
    return runs


@pytest.fixture(scope="session")
def kakehi() -> Callable[..., Said]:
    """Give the command as a function, run in this process through its own `main`."""
    return _kakehi


def _kakehi(*arguments: object) -> Said:
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    code = 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["kakehi", *map(str, arguments)])
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            try:
                main()
            except SystemExit as end:
                code = int(end.code or 0)
    raise_interrupt()  # the command made an exit code of a Ctrl-C, and it was meant for the tests too
    said = []
    for stream in (out, err):
        stream.flush()
        said.append(stream.buffer.getvalue().decode())  # type: ignore[attr-defined]
    return Said(code, *said)
