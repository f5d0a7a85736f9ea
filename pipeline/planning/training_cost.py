"""What reading a packed corpus costs on a machine, before a byte is written; and which limits it would break. Pure.

Pages are counted as a mapped file touches them: a reader takes an entry of each index and the tokens of its rows, and
whatever page holds them moves whole. In lanes a page is used up before it is left; in stock order every row is somewhere
else. Held to resident pages of the real reader by `bench/packing.py pages`; the numbers are in docs/packing.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil, gcd
from typing import Final, Literal, NamedTuple

from kakehi.pipeline.columns import align_columns
from kakehi.pipeline.engines.machine import Limits
from kakehi.pipeline.sizes import format_size
from kakehi.tokenizer.packed.lanes import Lanes

#: Bytes of an entry: .idx length and pointer, document_index, sample_index, shuffle_index.
_LENGTH, _POINTER, _DOCUMENT, _SAMPLE, _SHUFFLE = 4, 8, 4, 8, 4

#: Files that each reader opens for a prefix: .idx twice, .bin, three arrays.
OPENS: Final = 6


class Job(NamedTuple):
    """A planned training job.

    Args:
        micro_batch: rows of a rank at a time.
        data_parallel: ranks that read other rows.
        global_batch: rows of a step.
        readers: processes that open the files.
        nodes: of the whole job.
    """

    micro_batch: int
    data_parallel: int
    global_batch: int
    readers: int
    nodes: int


@dataclass(frozen=True, kw_only=True)
class Corpus:
    """Packed rows as planned.

    Args:
        rows: for training.
        sequence_tokens: S.
        token_bytes: 2 or 4.
        layout: of the rows.
        lanes: Λ; 1 for stock.
        tile_rows: B; 1 for stock.
        prefixes: binaries for training.
        pieces: of documents, where these are the sequences; null where tiles are.
    """

    rows: int
    sequence_tokens: int
    token_bytes: int
    layout: Literal["lanes", "stock"]
    lanes: int
    tile_rows: int
    prefixes: int = 1
    pieces: int | None = None

    @property
    def sequences(self) -> int:
        """Sequences of the `.idx`, each guard one."""
        return self.placed.sequences if self.pieces is None else self.pieces + self.prefixes

    @property
    def row_bytes(self) -> int:
        """Give the bytes of a row of tokens."""
        return self.sequence_tokens * self.token_bytes

    @property
    def tile_bytes(self) -> int:
        """Bytes of a tile; lower ones where there are fewer rows a lane."""
        return min(self.tile_rows, max(1, self.rows // self.lanes)) * self.row_bytes

    @property
    def placed(self) -> Lanes:
        """The rows in lanes, the guard behind them."""
        samples = self.rows - self.rows % self.lanes
        return Lanes(lanes=self.lanes, tile_rows=self.tile_rows, samples=samples, rows=self.rows + 1)

    def files(self) -> dict[str, int]:
        """Bytes of every file for training, all prefixes together."""
        sequences = self.sequences
        return {
            ".bin": self.rows * self.row_bytes + self.prefixes * self.token_bytes,
            ".idx": 42 * self.prefixes + (_LENGTH + _POINTER + 8) * sequences,
            "document_index": _DOCUMENT * sequences,
            "sample_index": _SAMPLE * (self.rows + 1),
            "shuffle_index": _SHUFFLE * self.rows,
        }


def pages_per_row(corpus: Corpus, job: Job, page_bytes: int) -> dict[str, float]:
    """Count the pages that a reader touches for each row it reads, file by file, once it is under way.

    Args:
        corpus: as planned.
        job: that reads.
        page_bytes: what a fault moves.
    """
    shuffle = job.data_parallel * _SHUFFLE / page_bytes  # read by all ranks from front to back
    pieces = (corpus.pieces or 0) / max(1, corpus.rows)
    if corpus.layout == "stock":
        row = corpus.row_bytes / page_bytes
        if corpus.pieces is not None:  # which stay in their order: what is next to a row lies behind it
            behind = {name: 1 + (pieces + 1) * name / page_bytes for name in (_LENGTH, _POINTER, _DOCUMENT)}
            return {
                ".bin": 1 + row,
                ".idx": behind[_LENGTH] + behind[_POINTER],
                "document_index": behind[_DOCUMENT],
                "sample_index": 1.0,
                "shuffle_index": shuffle,
            }
        # A row, and the first token of whatever row is next: two sequences, each somewhere.
        return {
            ".bin": 2 + row,
            ".idx": 4.0,
            "document_index": 1.0,
            "sample_index": 1.0,
            "shuffle_index": shuffle,
        }
    streams = corpus.lanes / job.data_parallel
    height = min(corpus.tile_rows, max(1, corpus.rows // corpus.lanes))

    def entries(entry_bytes: float) -> float:
        """Pages for an entry of each of a rank's lanes, spread evenly over those of all lanes, by row."""
        every, own = corpus.lanes * entry_bytes / page_bytes, streams * (1 + entry_bytes / page_bytes)
        return min(every, own) / (streams * height)

    each = 1 if corpus.pieces is None else pieces * height  # sequences of a tile
    tile = corpus.tile_bytes / page_bytes
    own_tiles = min(job.data_parallel * corpus.row_bytes / page_bytes, max(1.0, tile) / height)
    return {
        ".bin": own_tiles + min(1.0, tile) / height,  # and the label at a tile's end, in another lane's tile
        ".idx": entries(_LENGTH * each) + entries(_POINTER * each),
        "document_index": entries(_DOCUMENT * each),
        "sample_index": entries(_SAMPLE * height),
        "shuffle_index": shuffle,
    }


class Costs(NamedTuple):
    """What one job costs; bytes unless said otherwise.

    Args:
        payload_per_step: tokens that a reader wants in a step.
        read_per_step: that it moves for them.
        pages_per_row: touched for each row.
        read_per_job: by a reader, over all steps.
        opens: of all readers at the start.
        open_files: of the whole job at once, each stripe for itself.
        files: binaries, indices and maps.
        stored: of these files.
        while_writing: the same with pieces and binaries that are under way.
        stripes: of the largest file.
        memory: of a reader's pages in use.
    """

    payload_per_step: float
    read_per_step: float
    pages_per_row: float
    read_per_job: float
    opens: int
    open_files: int
    files: int
    stored: int
    while_writing: int
    stripes: int
    memory: int


def costs(corpus: Corpus, job: Job, limits: Limits) -> Costs:
    """Work out what a job costs."""
    page = limits.of("page_bytes", 4096)
    pages = sum(pages_per_row(corpus, job, page).values())
    rows = job.global_batch / job.data_parallel
    sizes = corpus.files()
    stripes = min(limits.of("stripe_count", 1), ceil(sizes[".bin"] / corpus.prefixes / 1e9)) or 1
    opens = job.readers * OPENS * corpus.prefixes
    streams = corpus.lanes / job.data_parallel if corpus.layout == "lanes" else OPENS
    return Costs(
        payload_per_step=rows * corpus.row_bytes,
        read_per_step=rows * pages * page,
        pages_per_row=pages,
        read_per_job=corpus.rows / job.data_parallel * pages * page,
        opens=opens,
        open_files=job.readers * corpus.prefixes * (OPENS - 1 - 1 + stripes),
        files=OPENS * corpus.prefixes,
        stored=sum(sizes.values()),
        while_writing=sum(sizes.values()) + 2 * sizes[".bin"],
        stripes=stripes,
        memory=ceil((streams + OPENS) * page),
    )


class Refusal(NamedTuple):
    """A limit that a plan breaks, and what would keep it."""

    limit: str
    said: str
    way_out: str


def refusals(corpus: Corpus, job: Job, limits: Limits) -> Iterator[Refusal]:
    """Yield every limit that is broken: of readers' integer types, and of the machine file."""
    found = costs(corpus, job, limits)
    yield from _integers(corpus)
    yield from _tiles(corpus, limits)
    largest = corpus.files()[".bin"] / corpus.prefixes
    stripe_rows = max(1, limits.of("stripe_bytes", 1 << 20) // corpus.row_bytes)
    bytes_a_row = found.while_writing / max(1, corpus.rows)
    one = "layout: lanes makes one binary" if corpus.layout == "stock" else "fewer readers"
    for name, got, way_out in (
        (
            "quota_bytes",
            found.while_writing,
            f"at most {_fitting(limits, 'quota_bytes', bytes_a_row)} rows fit, or raise the quota",
        ),
        ("quota_inodes", found.files, one),
        ("directory_files", found.files, one),
        (
            "opens_at_start",
            found.opens,
            f"{one}; at most {_fitting(limits, 'opens_at_start', OPENS * job.readers)} binaries fit",
        ),
        ("process_open_files", OPENS * corpus.prefixes, one),
        (
            "shared_file_processes",
            job.readers,
            "stage the files as common ones (llio_transfer), or two copies",
        ),
        (
            "shared_file_nodes",
            min(job.readers, job.nodes),
            "stage the files as common ones (llio_transfer), or two copies",
        ),
        ("group_nodes", job.nodes, "ask for fewer nodes, or another resource group"),
        (
            "node_bytes",
            found.memory,
            f"lanes: {job.micro_batch * job.data_parallel} are the fewest for this job",
        ),
        ("common_files", OPENS * corpus.prefixes, one),
        (
            "common_bytes",
            found.stored - corpus.files()[".bin"],
            f"tile_rows: {stripe_rows} or more make index and maps small",
        ),
    ):
        most = limits.of(name)
        if most is not None and got > most:
            yield Refusal(name, f"got {got:,}, wanted at most {most:,}", way_out)
    per_node = limits.of("open_files_per_node")
    if per_node is not None and found.open_files > per_node * job.nodes:
        yield Refusal(
            "open_files_per_node",
            f"got {found.open_files:,} files open on {job.nodes:,} nodes, wanted at most {per_node:,} a node",
            "fewer stripes, or one binary",
        )
    least = limits.of("stock_file_bytes")
    if least is not None and corpus.layout == "stock" and corpus.prefixes > 1 and largest < least:
        yield Refusal(
            "stock_file_bytes",
            f"got {corpus.prefixes} binaries of {largest:,.0f} bytes, wanted at least {least:,} each",
            f"pack.file_gb: {least / 1e9:g} or more",
        )


def _integers(corpus: Corpus) -> Iterator[Refusal]:
    more_rows = f"tile_rows: {ceil(corpus.rows / (2**31 - 1)) * corpus.tile_rows}"
    for name, got, most, way_out in (
        (
            "tile bytes in int32",
            corpus.tile_bytes,
            2**31 - 1,
            f"tile_rows: {(2**31 - 1) // corpus.row_bytes}",
        ),
        (
            "sequences in int32",
            corpus.sequences,
            2**31 - 1,
            more_rows if corpus.pieces is None else "sequences: tiles, or less of each source (mix)",
        ),
        (
            "binaries of pieces",  # of several, Megatron would make the maps itself, and tear rows apart
            1 if corpus.pieces is None else corpus.prefixes,
            1,
            "raise file_gb, or sequences: tiles",
        ),
        ("samples in uint32", corpus.rows, 2**32 - 2, "a longer sequence_tokens"),
        ("lanes with a row each", corpus.lanes, corpus.rows, f"lanes: {max(1, corpus.rows)} or fewer"),
    ):
        if got > most:
            yield Refusal(name, f"got {got:,}, wanted at most {most:,}", way_out)


def _tiles(corpus: Corpus, limits: Limits) -> Iterator[Refusal]:
    """Refuse tiles that waste pages, cross stripes, or put all readers on the same servers at once."""
    page, stripe = limits.of("page_bytes"), limits.of("stripe_bytes")
    if corpus.layout == "stock" or page is None or stripe is None:
        return
    fitting = max(1, stripe // corpus.row_bytes)
    height = corpus.rows // corpus.lanes
    if corpus.tile_rows < height and corpus.tile_bytes % page:
        least = page // gcd(page, corpus.row_bytes)
        yield Refusal(
            "page_bytes",
            f"got tiles of {corpus.tile_bytes:,} bytes, wanted a multiple of {page:,}",
            f"tile_rows: {max(least, round(corpus.tile_rows / least) * least)}",
        )
    if corpus.tile_bytes > stripe:
        yield Refusal(
            "stripe_bytes",
            f"got tiles of {corpus.tile_bytes:,} bytes, wanted at most {stripe:,}, one stripe",
            f"tile_rows: {fitting}",
        )
    round_bytes = stripe * limits.of("stripe_count", 1)
    if (
        corpus.tile_rows >= height
        and corpus.tile_bytes >= round_bytes
        and corpus.tile_bytes % round_bytes == 0
    ):
        yield Refusal(
            "stripe_count",
            f"got lanes of {corpus.tile_bytes:,} bytes, a multiple of all stripes: every reader asks one server",
            f"tile_rows: {fitting}",
        )


def _fitting(limits: Limits, name: str, each: float) -> str:
    most = limits.of(name)
    return "all" if most is None else f"{int(most / each):,}"


def drawn(corpus: Corpus, job: Job, limits: Limits, name: str) -> list[str]:
    """Write the costs as lines."""
    found = costs(corpus, job, limits)
    page = limits.of("page_bytes", 4096)
    shape = (
        f"Λ {corpus.lanes:,}, B {corpus.tile_rows:,}"
        if corpus.layout == "lanes"
        else f"{corpus.prefixes} binaries"
    ) + ("" if corpus.pieces is None else f", {corpus.pieces:,} pieces as sequences")
    rows: Mapping[str, str] = {
        "payload": f"{format_size(found.payload_per_step, 'B')} a reader and step",
        "read": f"{format_size(found.read_per_step, 'B')} a reader and step, {found.read_per_step / found.payload_per_step:.2f} × the payload; "
        f"{format_size(found.read_per_job, 'B')} in the whole job",
        "pages": f"{found.pages_per_row:.3f} of {page // 1024} KiB a row",
        "opens": f"{found.opens:,} at the start, {found.open_files:,} files open with stripes",
        "files": f"{found.files:,} for training, {found.stripes} stripes the largest",
        "bytes": f"{format_size(found.stored, 'B')}; {format_size(found.while_writing, 'B')} while they are written",
        "memory": f"{format_size(found.memory, 'B')} of pages in use a reader",
    }
    head = (
        f"{name}: {corpus.rows:,} rows of {corpus.sequence_tokens:,} tokens, {corpus.layout} ({shape}), "
        f"micro batch {job.micro_batch} × {job.data_parallel} ranks, {job.readers:,} readers"
    )
    return [head, *(f"  {line}" for line in align_columns(list(rows.items()), left=(0, 1)))]
