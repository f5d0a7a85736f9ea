"""The quickstart from end to end: every document's fate, every token, every byte."""

import csv
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import sentencepiece
import xxhash
import zstandard

from tests.journey.conftest import ROOT, Journey
from tests.oracles import read_megatron

pytestmark = pytest.mark.slow

GOLD = ROOT / "manifests" / "quickstart" / "gold.tsv"
DIGESTS = Path(__file__).with_name("golden.json")


def tables(journey: Journey, kind: str) -> Iterator[tuple[Path, pa.Table]]:
    for step in journey.plan():
        home = journey.store.folder(step.name, step.address)
        wanted = kind in {step.name, str(step.stage.writes)}
        for path in sorted(home.rglob("*.parquet")) if wanted else ():
            yield path, pq.read_table(path)


def fates(journey: Journey) -> dict[str, str]:
    """Read, straight from the tables, what became of every URL, and of every id as hexadecimal digits."""
    found: dict[str, str] = {}
    documents = {
        path.name: table for path, table in tables(journey, "documents") if ".rejects." not in path.name
    }
    for path, table in tables(journey, "documents"):
        if ".rejects." in path.name:
            found |= {
                key: row["reason"] for row in table.to_pylist() for key in (row["url"], row["id"].hex())
            }
    screened = {path.name: table for path, table in tables(journey, "screen")}
    kept = {path.name: table for path, table in tables(journey, "keep")}
    for name, table in documents.items():
        verdicts = [screened[name].column("verdict"), kept[name].column("verdict")]
        columns = [table.column("url"), table.column("id"), *verdicts]
        for url, plain, first, second in zip(*(column.to_pylist() for column in columns), strict=True):
            found[url] = found[plain.hex()] = first or second or "keep"
    return found


def gold() -> list[dict[str, str]]:
    """Read the table; a record's own id becomes the id of its document."""
    with GOLD.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    return [
        row | {"key": key_of(row["file"].split("/")[0], row["key"]), "detail": key_of("wiki", row["detail"])}
        for row in rows
    ]


def key_of(folder: str, name: str) -> str:
    if name.startswith(("article-", "note-")):
        return xxhash.xxh3_128_hexdigest(f"{folder}\0{name}".encode())
    return name


def test_every_document_meets_the_fate_that_gold_says(finished: Journey) -> None:
    """Kept, foreign or reject: each record is where a person put it."""
    found = fates(finished)
    twins = {key for row in gold() if row["expect"] == "dup-of" for key in (row["key"], row["detail"])}
    wanted = {
        "keep": lambda fate, _: fate == "keep" or fate.startswith("screen:"),
        "drop-language": lambda fate, _: fate in {"language", "extract:language", "screen:language.in"},
        "reject": lambda fate, row: fate == row["detail"].partition(":")[0],
    }
    told = [row for row in gold() if row["key"] in found and row["key"] not in twins]
    assert [
        row | {"fate": found[row["key"]]} for row in told if not wanted[row["expect"]](found[row["key"]], row)
    ] == []
    assert len(told) > 170


def test_of_every_planted_pair_one_is_kept(finished: Journey) -> None:
    """Pairs within a shard, across shards and across sources: one stays, the other names it."""
    found = fates(finished)
    pairs = [(row["key"], row["detail"]) for row in gold() if row["expect"] == "dup-of"]
    assert len(pairs) == 8
    for pair in pairs:
        kept, dropped = sorted((found[name] for name in pair), key=len)
        assert kept == "keep"
        assert dropped in {"dedupe:exact", "dedupe:near"}


def test_every_page_was_read_with_its_true_codec(finished: Journey) -> None:
    """Legacy pages, the one with a lying header too, are read with the codec they were written in."""
    codec = {
        row["url"]: row["codec"]
        for path, table in tables(finished, "documents")
        if ".rejects." not in path.name
        for row in table.select(["url", "codec"]).to_pylist()
    }
    wanted = {row["key"]: row["codec"] for row in gold() if row["expect"] == "keep" and row["key"] in codec}
    assert {url: codec[url] for url in wanted} == wanted
    assert {"cp932", "euc_jp", "iso2022_jp"} <= set(wanted.values())


def exported(journey: Journey) -> list[dict[str, str]]:
    rows = []
    for path in sorted((journey.folder("export") / "jsonl").iterdir()):
        with zstandard.open(path, "rt", encoding="utf-8") as file:
            rows += [json.loads(line) for line in file]
    return rows


def packed_documents(journey: Journey) -> dict[str, list[int]]:
    """Put every document together again out of all binaries, by the byte table and the tables of pieces; by id."""
    home = journey.folder("pack")
    names = [row["id"].hex() for row in pq.read_table(home / "quickstart.documents.parquet").to_pylist()]
    parts: dict[int, dict[int, list[int]]] = {}
    for table in home.glob("*.provenance.parquet"):
        rows = read_megatron(home / table.name.removesuffix(".provenance.parquet"))
        ids = np.concatenate(rows)
        assert ids.dtype == np.uint16
        for row in pq.read_table(table).to_pylist():
            tokens = ids[row["first_token"] : row["first_token"] + row["tokens"]]
            parts.setdefault(row["document"], {})[row["document_token"]] = tokens.tolist()
    return {
        names[number]: [token for _, tokens in sorted(mine.items()) for token in tokens]
        for number, mine in parts.items()
    }


def test_an_independent_reader_reads_the_exported_text_out_of_the_binaries(finished: Journey) -> None:
    """Read by the byte table alone, detokenised by SentencePiece alone: document by document the exported text."""
    model = sentencepiece.SentencePieceProcessor(model_file=str(finished.folder("train") / "tokenizer.model"))
    packed = packed_documents(finished)
    texts = {row["id"]: row["text"] for row in exported(finished)}
    end = model.piece_to_id("</s>")
    assert packed.keys() == texts.keys()
    for name, ids in packed.items():
        assert ids[-1] == end
        assert end not in ids[:-1]
        assert model.decode(ids[:-1]) == texts[name]


@pytest.mark.parametrize("form", ["json", "parquet"])
def test_datasets_opens_the_export(finished: Journey, tmp_path: Path, form: str) -> None:
    """`datasets.load_dataset` reads either format, and finds every kept document."""
    files = str(finished.folder("export") / {"json": "jsonl", "parquet": "parquet"}[form] / "*")
    loaded = datasets.load_dataset(form, data_files=files, split="train", cache_dir=str(tmp_path))
    assert sorted(loaded["id"]) == sorted(row["id"] for row in exported(finished))


def content(table: pa.Table) -> str:
    """Digest the values of a table, whatever file, chunks or batches they came in."""
    digest = hashlib.sha256(str(table.schema.remove_metadata()).encode())
    for column in table.columns:
        digest.update(json.dumps(column.to_pylist(), default=lambda value: value.hex()).encode())
    return digest.hexdigest()[:16]


def digests(journey: Journey) -> dict[str, str]:
    """Digest the content of every table, step by step, in the order of sources and shards."""
    found: dict[str, str] = {}
    for step in journey.plan():
        home = journey.store.folder(step.name, step.address)
        parts = []
        for shard in step.shards:
            # The shard's trie prefix: the rest of its name holds times of change.
            files = sorted(home.glob(f"{shard.source}/{shard.name}*.parquet"))
            place = f"{shard.source}/{shard.name.split('-')[0]}"
            parts += [f"{place} {content(pq.read_table(path))}" for path in files]
        parts += [
            hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(home.rglob("*"))
            if path.suffix in {".bin", ".idx", ".model", ".vocab", ".npy"}  # flags name an address
        ]
        if parts:
            key = f"{step.name} {step.source or ''}".strip()
            found[key] = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    return found


#: What a float in SentencePiece's training decides; it may differ by processor and C library.
TRAINED = ("train", "encode", "pack", "index")


def test_content_is_golden(finished: Journey) -> None:
    """Every stage gives what it gave before; a wanted change is pinned anew with KAKEHI_GOLDEN=write."""
    found = digests(finished)
    if os.environ.get("KAKEHI_GOLDEN") == "write":
        DIGESTS.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    pinned = json.loads(DIGESTS.read_text(encoding="utf-8"))
    if os.uname().machine != "x86_64" or os.uname().sysname != "Linux":
        found, pinned = ({k: v for k, v in d.items() if not k.startswith(TRAINED)} for d in (found, pinned))
    assert found == pinned


def test_a_second_run_elsewhere_gives_the_same_bytes(finished: Journey, fresh: Journey, monkeypatch) -> None:
    """Another folder, another hash seed, another order of work: the same content, the trained model too."""
    monkeypatch.setenv("PYTHONHASHSEED", "7")
    fresh.run("--until", "measure")
    fresh.run()
    assert digests(fresh) == digests(finished)


def test_the_funnel_adds_up(finished: Journey) -> None:
    """Records minus rejects are documents, documents minus drops are kept; tokens are those in the binary."""
    lines = finished.run(command="run").stdout.splitlines()

    def count(line: str) -> int:
        for word in line.split():
            if word.lstrip("-").replace(",", "").isdigit():
                return int(word.replace(",", ""))
        raise AssertionError(line)

    rejects = sum(count(line) for line in lines if line.strip().startswith("reject:"))
    drops = sum(count(line) for line in lines if line.strip().startswith("drop:"))
    records, documents, kept, tokens = (
        next(count(line) for line in lines if line.startswith(label))
        for label in ("records in", "documents", "kept", "tokens")
    )
    assert records + rejects == documents
    assert documents + drops == kept == len(exported(finished))
    assert tokens == sum(map(len, packed_documents(finished).values()))
