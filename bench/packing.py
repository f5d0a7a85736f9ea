"""Measure packing: planning and placing, text to binaries, and the pages that the real Megatron reader touches.

    python bench/packing.py place [--millions 50]      lengths planned and placed: seconds, memory
    python bench/packing.py text [PARQUET...] [--vocabulary 4000]
                                                       text to .bin, against a bare loop of sentencepiece and numpy,
                                                       and datatrove's step for Megatron where it is installed (0.10.1:
                                                       `pip install datatrove tokenizers protobuf`): CPU seconds, which
                                                       other programs on the machine disturb less
    python bench/packing.py pages [--documents 1000000] [--folder DIR]
                                                       pack made-up documents, then count resident pages; needs the
                                                       interop extra, Linux, and 8 GB of disk for a million documents

Documents are of log-normal length (mean 631 tokens, sigma 1.1), their ids drawn at random. Pages are counted by mincore
after each load, with read-ahead switched off (MADV_RANDOM), in units of 64 KiB as on Fugaku, whatever this machine's are.
"""

from __future__ import annotations

import argparse
import ctypes
import importlib.util
import json
import mmap
import os
import resource
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.engines.kernels import SOURCES, forget_stale
from kakehi.pipeline.planning.training_cost import Corpus, Job, pages_per_row
from kakehi.pipeline.stages.encode import encode, load_encoder
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.pack.pack import pack
from kakehi.pipeline.storage.schemas import DOCUMENTS, TOKENS, TokenizedBy, flat_ids, packed_ids
from kakehi.pipeline.storage.shard_tables import ShardTables
from kakehi.pipeline.storage.tables import TableWriter
from kakehi.tokenizer.packed import maps
from kakehi.tokenizer.packed.checking import layout_of
from kakehi.tokenizer.packed.indexed import write_index
from kakehi.tokenizer.packed.lanes import Lanes, Parallel, samples_of_step
from kakehi.tokenizer.packed.maps import Maps
from kakehi.tokenizer.packed.pieces import open_pieces
from kakehi.tokenizer.packed.rows import count_pieces, plan_rows
from kakehi.tokenizer.training import train

PAGE = 1 << 16
S, LANES, TILE_ROWS, RANKS, BATCH = 2048, 96, 256, 12, 96
SHARD_DOCUMENTS = 125_000
TOKENIZER = {"class": "made.up", "tokenizer_path": "tokenizer.model"}
NAME = "bench_text_document"
RUNS = 7


def main() -> None:
    """Run one measurement."""
    forget_stale(SOURCES)
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=["place", "text", "pages"])
    parser.add_argument("--millions", type=int, default=50)
    parser.add_argument(
        "files", nargs="*", type=Path, help="of texts in a column `text` (default: quickstart)"
    )
    parser.add_argument("--vocabulary", type=int, default=4000)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, help="where pages works; kept (default: a temporary one)")
    options = parser.parse_args()
    if options.what == "place":
        place(options.millions)
    elif options.what == "text":
        text(options.files, options.vocabulary)
    elif options.folder:
        pages(options.folder, options.documents)
    else:
        with tempfile.TemporaryDirectory() as folder:
            pages(Path(folder), options.documents)


def lengths_of(count: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Draw the lengths of documents."""
    drawn = np.random.default_rng(seed).lognormal(np.log(631) - 1.1**2 / 2, 1.1, count)
    return np.maximum(2, drawn).astype(np.int64)


def place(millions: int) -> None:
    """Plan and place documents in parts of a million, as workers do."""
    parts = [lengths_of(1_000_000, seed) for seed in range(millions)]
    before = peak_mb()
    started = time.perf_counter()
    counts = [count_pieces(part, S) for part in parts]
    counted = time.perf_counter()
    plan = plan_rows(sum(counts, np.zeros(S + 1, np.int64)), packing="best-fit", seed=1, name="bench")
    planned = time.perf_counter()
    front, pieces = np.zeros(S + 1, np.int64), 0
    for part, count in zip(parts, counts, strict=True):
        pieces += len(plan.place(part, front).row)
        front += count
    placed = time.perf_counter()
    concat = sum(int((part > S).sum()) for part in parts)
    print(f"{millions} million documents, {plan.tokens:,} tokens, {pieces:,} pieces, {plan.rows:,} rows")
    print(f"fill {plan.tokens / plan.rows / S:.6f}, documents cut {concat / millions / 1e6:.2%}")
    print(
        f"count {counted - started:.1f} s, plan {1e3 * (planned - counted):.0f} ms, place {placed - planned:.1f} s"
    )
    print(f"memory beyond the lengths themselves: {peak_mb() - before:,.0f} MB")


def text(files: list[Path], vocabulary: int) -> None:
    """Encode and pack real texts, or the quickstart's 150 times over, beside the bare loop and datatrove.

    All begin with an Arrow column of texts, which is what a Parquet file gives, and end with files on disk. Strings of
    Python that are there already, and were encoded before, spare the loop some of its work: it is shown, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        texts = [page for path in files for page in pq.read_table(path, columns=["text"])["text"].to_pylist()]
        texts = texts or [f"{page}\n{number}" for number in range(150) for page in _quickstart_texts()]
        size = sum(len(page.encode()) for page in texts)
        lines = [line for page in texts[: 20_000_000 * len(texts) // size] for line in page.split("\n")]
        (root / "tokenizer").mkdir()
        model = root / "tokenizer" / "tokenizer.model"
        model.write_bytes(train(lines, vocab_size=vocabulary, num_threads=2).model)
        column = pa.array(texts, pa.large_string())
        print(
            f"{size / 1e6:.0f} MB of {len(texts):,} texts, {vocabulary:,} pieces; MB of text by CPU second, a row a run"
        )
        _ours(root, column)  # loads the kernels
        rows = [_text_run(root, column, texts, size) for _ in range(RUNS)]
        for name in rows[0]:
            print(f"{name:28} {median(row[name] for row in rows):6.2f} (median of {RUNS})")


def _text_run(root: Path, column: pa.Array, texts: list[str], size: int) -> dict[str, float]:
    """Time each once, so that what disturbs the machine disturbs all."""
    before = _bare(root, column)
    ours, encoding = _ours(root, column)
    bare, strings = (before + _bare(root, column)) / 2, _bare(root, texts)
    speeds = {
        "bare loop, strings": size / strings,
        "bare loop": size / bare,
        "encode": size / encoding,
        "encode and pack": size / ours,
    }
    found = {name: speed / 1e6 for name, speed in speeds.items()}
    found |= {"of the bare loop": bare / ours, "of the bare loop, strings": strings / ours}
    if importlib.util.find_spec("datatrove"):
        some = texts[: len(texts) // 20]
        found["datatrove"] = sum(len(page.encode()) for page in some) / _datatrove(root, some) / 1e6
        found["times datatrove"] = found["encode and pack"] / found["datatrove"]
    print(" ".join(f"{name} {value:.2f}," for name, value in found.items()))
    return found


def _quickstart_texts() -> list[str]:
    import zstandard  # noqa: PLC0415 - only here

    home = Path(__file__).resolve().parents[1] / "manifests" / "quickstart"
    with zstandard.open(home / "wiki" / "articles-00000.jsonl.zst", "rt", encoding="utf-8") as file:
        found = [json.loads(line).get("text") for line in file if line.strip().endswith("}")]
    notes = pq.read_table(home / "notes" / "notes-00000.parquet")["body"].drop_null().to_pylist()
    return [page for page in found if page] + notes


def _bare(root: Path, texts: list[str] | pa.Array) -> float:
    """Encode batches with sentencepiece alone, join ids and end marks by numpy, write one file."""
    import sentencepiece  # noqa: PLC0415 - only here

    model = sentencepiece.SentencePieceProcessor(model_file=str(root / "tokenizer" / "tokenizer.model"))
    end = np.array([model.piece_to_id("</s>")], np.uint16)
    started = time.process_time()
    with (root / "bare.bin").open("wb") as file:
        for start in range(0, len(texts), 500):
            batch = texts[start : start + 500]
            batch = batch if isinstance(batch, list) else batch.to_pylist()
            rows = model.encode(batch, return_type="numpy", num_threads=1)
            file.write(np.concatenate([part for row in rows for part in (row.astype(np.uint16), end)]).data)
    return time.process_time() - started


def _ours(root: Path, column: pa.Array) -> tuple[float, float]:
    """Encode in batches of 500, write the table of tokens, pack it; seconds of all, and of encoding with its table."""
    shutil.rmtree(root / "run", ignore_errors=True)
    load_encoder(root / "tokenizer")
    sizes = [len(column[start : start + 500]) for start in range(0, len(column), 500)]
    ids = _write_documents(root / "run", 0, sizes)
    started = time.process_time()
    batches = (
        _encoded(column[start : start + 500], root / "tokenizer") for start in range(0, len(column), 500)
    )
    shard = _shard(root / "run", 0, batches, ids)
    encoded = time.process_time()
    inputs = Inputs(
        corpus="bench",
        shards=(shard,),
        scratch=root / "run" / "scratch",
        artifacts={"tokenizer": root / "tokenizer"},
    )
    (root / "run" / "out").mkdir()
    pack(inputs, root / "run" / "out", Inline(), lanes=8)
    return time.process_time() - started, encoded - started


def _encoded(texts: pa.Array, tokenizer: Path) -> pa.RecordBatch:
    kept = pa.array(np.ones(len(texts), bool))
    return encode(pa.record_batch({"text": texts, "kept": kept}), tokenizer, eod="</s>")


def _datatrove(root: Path, texts: list[str]) -> float:
    """Write the same by datatrove's step for Megatron, with the same pieces as a tokenizer of `tokenizers`."""
    from datatrove.data import Document  # noqa: PLC0415 - a peer
    from datatrove.pipeline.tokens import MegatronDocumentTokenizer  # noqa: PLC0415
    from sentencepiece import sentencepiece_model_pb2  # noqa: PLC0415
    from tokenizers import Tokenizer, models, normalizers  # noqa: PLC0415

    model = sentencepiece_model_pb2.ModelProto()
    model.ParseFromString((root / "tokenizer" / "tokenizer.model").read_bytes())
    pieces = [(piece.piece, piece.score) for piece in model.pieces]
    same = Tokenizer(models.Unigram(pieces, model.trainer_spec.unk_id, byte_fallback=True))
    same.normalizer = normalizers.Replace(" ", "▁")
    same.save(str(root / "pieces.json"))
    out = root / "datatrove"
    step = MegatronDocumentTokenizer(
        str(out),
        tokenizer_name_or_path=str(root / "pieces.json"),
        eos_token="</s>",  # noqa: S106 - a piece
    )
    step.tokenizer.encode("水")
    documents = [Document(text=page, id=str(number)) for number, page in enumerate(texts)]
    started = time.process_time()
    step.run(iter(documents), rank=0, world_size=1)
    took = time.process_time() - started
    shutil.rmtree(out)
    return took


def _write_documents(root: Path, ordinal: int, sizes: Iterable[int]) -> str:
    """Write a table of made-up documents, a row group of each size; gives the digest of their ids."""
    start = 0
    with TableWriter(root / "documents" / f"{ordinal}.parquet", DOCUMENTS) as writer:
        for size in sizes:
            rows = _documents(ordinal, start, size)
            writer.note_ids(rows.column("id"))
            writer.write(rows)
            start += size
        return writer.close()


def _shard(root: Path, ordinal: int, batches: Iterable[pa.RecordBatch], ids: str) -> ShardTables:
    """Write the table of tokens beside that of documents, as `encode` does."""
    paths = {name: root / name / f"{ordinal}.parquet" for name in ("documents", "tokens")}
    first, *others = batches
    with TableWriter(paths["tokens"], first.schema) as writer:
        for batch in (first, *others):
            writer.write(batch)
        writer.close(ids)
    return ShardTables(
        source="bench",
        name=f"shard-{ordinal}",
        ordinal=ordinal,
        paths={"documents": (paths["documents"],), "tokens": (paths["tokens"],), "verdict": ()},
    )


def _documents(ordinal: int, start: int, count: int) -> pa.RecordBatch:
    numbers = [(ordinal << 32 | i).to_bytes(16, "big") for i in range(start, start + count)]
    fixed = {"source": "bench", "input": "bench", "text": "", "host": "bench.example"}
    columns = {
        field.name: numbers
        if field.name in {"id", "text_hash"}
        else [f"https://bench.example/{ordinal}/{i}" for i in range(start, start + count)]
        if field.name == "url"
        else [fixed.get(field.name, 0 if pa.types.is_integer(field.type) else None)] * count
        for field in DOCUMENTS
    }
    return pa.RecordBatch.from_pydict(columns, schema=DOCUMENTS)


def pages(root: Path, documents: int) -> None:
    """Pack the same documents in every way and count what the real reader touches."""
    root.mkdir(parents=True, exist_ok=True)
    (root / "tokenizer").mkdir(exist_ok=True)
    words = [f"{a}{b}{c}" for a in "abcdefgh" for b in "ijklmnop" for c in "qrstuvwxyz"]
    model = train(words, vocab_size=320, num_threads=1).model
    (root / "tokenizer" / "tokenizer.model").write_bytes(model)
    shards = tuple(_made_up(root, number, size) for number, size in enumerate(_sizes(documents)))
    job = Job(1, RANKS, BATCH, 2 * RANKS, 2 * RANKS)
    print("| layout | pages a row, planned | counted | bytes a step / payload | .idx |")
    print("|---|---|---|---|---|")
    _report("documents, Megatron's own shuffle", *_stock_documents(root, shards), cold=True)
    for label, layout, tile_rows, sequences in (
        ("rows, stock", "stock", 1, "tiles"),
        ("rows, stock, pieces", "stock", 1, "pieces"),
        ("rows, lanes, B = 16", "lanes", 16, "tiles"),
        ("rows, lanes, B = 16, pieces", "lanes", 16, "pieces"),
        (f"rows, lanes, B = {TILE_ROWS}", "lanes", TILE_ROWS, "tiles"),
        (f"rows, lanes, B = {TILE_ROWS}, pieces", "lanes", TILE_ROWS, "pieces"),
    ):
        out = root / f"{layout}-{tile_rows}-{sequences}"
        if not out.exists():
            out.mkdir()
            inputs = Inputs(
                corpus="bench",
                shards=shards,
                scratch=root / f"scratch-{layout}-{tile_rows}-{sequences}",
                artifacts={"tokenizer": root / "tokenizer"},
            )
            started = time.perf_counter()
            counts = pack(
                inputs,
                out,
                Inline(),
                sequence_tokens=S,
                layout=layout,  # type: ignore[arg-type]
                lanes=LANES,
                tile_rows=tile_rows,
                sequences=sequences,  # type: ignore[arg-type]
            )
            taken = time.perf_counter() - started
            print(
                f"(packed {counts['tokens']:,} tokens in {taken:.0f} s, {counts['tokens'] / taken / 1e6:.1f} million a second)"
            )
            shutil.rmtree(inputs.scratch)
        about = json.loads((out / "manifest.json").read_bytes())
        told = about["binaries"][NAME]
        made, cache = layout_of(told), out / "cache"
        if not cache.exists():
            _write_maps(out, about, made, cache)
        corpus = Corpus(
            rows=made.rows - 1,
            sequence_tokens=S,
            token_bytes=2,
            layout=layout,  # type: ignore[arg-type]
            lanes=made.lanes,
            tile_rows=made.tile_rows,
            pieces=told["pieces"] if sequences == "pieces" else None,
        )
        planned = sum(pages_per_row(corpus, job, PAGE).values())
        _report(label, out, cache, made.samples, planned, cold=layout == "stock")


def _write_maps(out: Path, about: dict[str, Any], made: Lanes, cache: Path) -> None:
    """Write the maps, and let go of the mapped index: its pages would be counted as the reader's."""
    index = open_pieces(out / NAME, about)
    wanted = Maps(NAME, made, S, made.samples, 1, "train", about["layout"] == "stock", index)
    cache.mkdir()
    names = maps.core_names(wanted, TOKENIZER)
    (cache / names["description"]).write_text(maps.description(wanted, TOKENIZER), encoding="utf-8")
    maps.write_arrays(wanted, cache, names)


def _sizes(documents: int) -> list[int]:
    return [min(SHARD_DOCUMENTS, documents - start) for start in range(0, documents, SHARD_DOCUMENTS)]


def _made_up(root: Path, ordinal: int, count: int) -> ShardTables:
    encoder = load_encoder(root / "tokenizer")
    schema = TokenizedBy(encoder.digest, 2).write_to(TOKENS)
    rng = np.random.default_rng(ordinal)
    lengths = lengths_of(count, ordinal)
    batches = []
    for part in np.array_split(lengths, 10):
        ids = rng.integers(3, 320, int(part.sum()), np.uint16)
        ids[np.cumsum(part) - 1] = 2
        packed = packed_ids(ids, part, np.ones(len(part), bool))
        batches.append(pa.RecordBatch.from_arrays([packed, pa.array(part)], schema=schema))
    ids = _write_documents(root, ordinal, [batch.num_rows for batch in batches])
    return _shard(root, ordinal, batches, ids)


def _stock_documents(root: Path, shards: tuple[ShardTables, ...]) -> tuple[Path, Path, int, float]:
    """Write documents one after another, as Megatron's own tool does; it builds its own maps at the first load."""
    out, lengths = root / "documents-alone", [shard.column("tokens", "length").to_numpy() for shard in shards]
    if not out.exists():
        out.mkdir()
        with (out / f"{NAME}.bin").open("wb") as file:
            for shard in shards:
                for chunk in shard.column("tokens", "ids").chunks:
                    file.write(flat_ids(chunk, "<u2").data)
        write_index(out / NAME, np.dtype("<u2"), lambda: lengths)
        (out / "cache").mkdir()
    tokens, documents = sum(int(part.sum()) for part in lengths), sum(map(len, lengths))
    fragments = 1 + S * documents / tokens
    # Each fragment somewhere in .bin, its length and its pointer in .idx; one page of each of two arrays.
    planned = fragments * 3 + S * 2 / PAGE + 2 + RANKS * 4 / PAGE
    return out, out / "cache", (tokens - 1) // S, planned


def _report(label: str, folder: Path, cache: Path, samples: int, planned: float, *, cold: bool) -> None:
    """Load steps of one rank: each with all pages dropped before, or many in a row with the pages kept."""
    data = _opened(folder, cache, samples)
    parallel, rank = Parallel(1, RANKS), 5
    first = samples // BATCH // 8
    steps = list(range(first, first + (40 if cold else min(1024, samples // BATCH - first))))
    counter = _Resident(folder, cache, data)
    counter.drop()
    counted = 0
    for step in steps:
        for sample in samples_of_step(step, rank, parallel, global_batch=BATCH):
            data[int(sample)]
        if cold:
            counted += counter.count()
            counter.drop()
    counted = counted if cold else counter.count()
    rows = len(steps) * BATCH // RANKS
    payload = S * 2
    print(
        f"| {label} | {planned:.3f} | {counted / rows:.3f} | {counted / rows * PAGE / payload:.2f} "
        f"| {(folder / f'{NAME}.idx').stat().st_size:,} |",
        flush=True,
    )


def _opened(folder: Path, cache: Path, samples: int) -> Any:
    from megatron.core.datasets.blended_megatron_dataset_builder import (  # noqa: PLC0415 - optional
        BlendedMegatronDatasetBuilder,
    )
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig  # noqa: PLC0415 - optional

    class Named:
        unique_identifiers = TOKENIZER
        eod, pad, vocab_size = 2, -1, 320

    config = GPTDatasetConfig(
        random_seed=1,
        sequence_length=S,
        blend_per_split=[([NAME], None), None, None],
        path_to_cache=str(cache),
        fast_cache_load=any(cache.iterdir()),
        tokenizer=Named(),
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=True,
        create_attention_mask=False,
    )
    os.chdir(folder)
    build = BlendedMegatronDatasetBuilder(GPTDataset, [samples, 0, 0], lambda: True, config).build
    build()  # what is not there is built here, and touched; then mapped anew
    return build()[0]


class _Resident:
    """Which pages of a prefix and its maps are in memory."""

    def __init__(self, folder: Path, cache: Path, data: Any) -> None:
        paths = [folder / f"{NAME}{ending}" for ending in (".bin", ".idx")]
        self._files = [path.open("rb") for path in [*paths, *sorted(cache.glob("*.npy"))]]
        self._maps = [
            mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_PRIVATE)
            for file in self._files
        ]
        self._theirs = list(_mapped(data))
        for mapped in self._theirs:
            mapped.madvise(mmap.MADV_RANDOM)
        self._mincore = ctypes.CDLL(None, use_errno=True).mincore

    def drop(self) -> None:
        """Take every page out of memory."""
        for mapped in self._theirs:
            mapped.madvise(mmap.MADV_DONTNEED)
        for file in self._files:
            os.fsync(file.fileno())
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def count(self) -> int:
        """Count units of 64 KiB of which something is in memory."""
        return sum(map(self._count, self._maps))

    def _count(self, mapped: mmap.mmap) -> int:
        size = len(mapped)
        own = (size + mmap.PAGESIZE - 1) // mmap.PAGESIZE
        seen = (ctypes.c_ubyte * own)()
        start = ctypes.addressof(ctypes.c_char.from_buffer(mapped))
        if self._mincore(ctypes.c_void_p(start), ctypes.c_size_t(size), seen):
            raise OSError(ctypes.get_errno(), "mincore")
        each = PAGE // mmap.PAGESIZE
        resident = np.frombuffer(seen, np.uint8) & 1
        return int(np.add.reduceat(resident, np.arange(0, own, each)).astype(bool).sum())


def _mapped(data: Any) -> Iterator[mmap.mmap]:
    """Find the mappings of a dataset: three arrays, .idx and .bin."""
    for array in (data.document_index, data.sample_index, data.shuffle_index):
        if isinstance(array, np.memmap):
            yield array._mmap  # noqa: SLF001 - numpy gives no other way
    yield data.dataset.index.bin_buffer_mmap._mmap  # noqa: SLF001
    yield data.dataset.bin_reader._bin_buffer_mmap._mmap  # noqa: SLF001


def peak_mb() -> float:
    """Peak memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
