"""What reading a packed corpus costs on a machine, before a byte is written. Pure.

Pages are counted as a mapped file touches them: a reader takes an entry of each index and the tokens of its rows, and
whatever page holds them moves whole. In lanes a page is used up before it is left; in stock order every row is somewhere
else. Held to resident pages of the real reader, and to an own count, by `bench/pages.py`; the numbers are in
docs/training.md.
"""

from __future__ import annotations

from collections.abc import Mapping
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
        copies: of the files, each on a volume of its own; readers share them evenly.
    """

    micro_batch: int
    data_parallel: int
    global_batch: int
    readers: int
    nodes: int
    copies: int = 1


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
    if corpus.layout == "stock":
        found = _pages_in_random_order(corpus, page_bytes)
    elif corpus.pieces is None:
        found = _pages_lane_after_lane(corpus, job, page_bytes)
    else:
        found = _pages_of_pieces(corpus, job, page_bytes)
    return found | {"shuffle_index": job.data_parallel * _SHUFFLE / page_bytes}  # read by all ranks, whole


def _pages_in_random_order(corpus: Corpus, page_bytes: int) -> dict[str, float]:
    row = corpus.row_bytes / page_bytes
    if (
        corpus.pieces is None
    ):  # a row, and the first token of whatever row is next: two sequences, each somewhere
        return {".bin": 2 + row, ".idx": 4.0, "document_index": 1.0, "sample_index": 1.0}
    # Pieces stay in their order: what is next to a row lies behind it.
    pieces = corpus.pieces / max(1, corpus.rows)
    behind = {name: 1 + (pieces + 1) * name / page_bytes for name in (_LENGTH, _POINTER, _DOCUMENT)}
    return {
        ".bin": 1 + row,
        ".idx": behind[_LENGTH] + behind[_POINTER],
        "document_index": behind[_DOCUMENT],
        "sample_index": 1.0,
    }


def _pages_lane_after_lane(corpus: Corpus, job: Job, page_bytes: int) -> dict[str, float]:
    streams = corpus.lanes // job.data_parallel
    time = max(1, corpus.rows // corpus.lanes)  # rows of a lane
    high, rest = divmod(time, corpus.tile_rows)
    tiles = high + bool(rest)

    def lane_after_lane(lane_bytes: float) -> float:
        """Pages of an array in which each lane's entries lie together: those of a rank's lanes, and their ends."""
        whole, own = corpus.lanes * lane_bytes, streams * (lane_bytes + page_bytes)
        return min(whole, own) / page_bytes / (streams * time)

    def set_after_set(entry_bytes: int) -> float:
        """Pages of an array that has an entry for each lane's first tile, then for each lane's second."""
        every, own = corpus.lanes * entry_bytes / page_bytes, streams * (1 + entry_bytes / page_bytes)
        return min(every, own) * tiles / (streams * time)

    def apart(rows: int) -> int:
        """Bytes of the pages of a tile, which begins somewhere in a page unless pages divide it."""
        return rows and rows * corpus.row_bytes + page_bytes - gcd(rows * corpus.row_bytes, page_bytes)

    # The label at a tile's end begins the lane's next tile, which is read next.
    tokens = min(
        corpus.lanes * time * corpus.row_bytes, streams * (high * apart(corpus.tile_rows) + apart(rest))
    )
    return {
        ".bin": tokens / page_bytes / (streams * time),
        ".idx": set_after_set(_LENGTH) + set_after_set(_POINTER),
        "document_index": lane_after_lane(_DOCUMENT * tiles),
        "sample_index": lane_after_lane(_SAMPLE * time),
    }


def _pages_of_pieces(corpus: Corpus, job: Job, page_bytes: int) -> dict[str, float]:
    """Count for sequences that are pieces, whose maps go in the order of the file."""
    streams = corpus.lanes / job.data_parallel
    height = min(corpus.tile_rows, max(1, corpus.rows // corpus.lanes))

    def entries(entry_bytes: float) -> float:
        """Pages for an entry of each of a rank's lanes, spread evenly over those of all lanes, by row."""
        every, own = corpus.lanes * entry_bytes / page_bytes, streams * (1 + entry_bytes / page_bytes)
        return min(every, own) / (streams * height)

    each = (corpus.pieces or 0) / max(1, corpus.rows) * height  # sequences of a tile
    tile = corpus.tile_bytes / page_bytes
    own_tiles = min(job.data_parallel * corpus.row_bytes / page_bytes, max(1.0, tile) / height)
    return {
        ".bin": own_tiles + min(1.0, tile) / height,  # and the label at a tile's end, in another lane's tile
        ".idx": entries(_LENGTH * each) + entries(_POINTER * each),
        "document_index": entries(_DOCUMENT * each),
        "sample_index": entries(_SAMPLE * height),
    }


class Costs(NamedTuple):
    """What one job costs; bytes unless said otherwise.

    Args:
        payload_per_step: tokens that a reader wants in a step.
        read_per_step: that it moves for them.
        shuffle_per_step: of these, the part of the shuffle_index, which every reader reads whole.
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
    shuffle_per_step: float
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
    by_file = pages_per_row(corpus, job, page)
    pages = sum(by_file.values())
    rows = job.global_batch / job.data_parallel
    sizes = corpus.files()
    stripes = min(limits.of("stripe_count", 1), ceil(sizes[".bin"] / corpus.prefixes / 1e9)) or 1
    opens = job.readers * OPENS * corpus.prefixes
    # Of each lane a page of tokens and one of the sample_index.
    streams = 2 * corpus.lanes / job.data_parallel if corpus.layout == "lanes" else OPENS
    return Costs(
        payload_per_step=rows * corpus.row_bytes,
        read_per_step=rows * pages * page,
        shuffle_per_step=rows * by_file["shuffle_index"] * page,
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


def drawn(corpus: Corpus, job: Job, limits: Limits, name: str) -> list[str]:
    """Write the costs as lines."""
    found = costs(corpus, job, limits)
    page = limits.of("page_bytes", 4096)
    shape = (
        f"Λ {corpus.lanes:,}, B {corpus.tile_rows:,}"
        if corpus.layout == "lanes"
        else f"{corpus.prefixes} binaries"
    ) + ("" if corpus.pieces is None else f", {corpus.pieces:,} pieces as sequences")
    of_copies = f" on each of {job.copies} volumes" if job.copies > 1 else ""
    rows: Mapping[str, str] = {
        "payload": f"{format_size(found.payload_per_step, 'B')} a reader and step",
        "read": f"{format_size(found.read_per_step, 'B')} a reader and step; {format_size(found.read_per_job, 'B')} in the whole job",
        "of payload": f"{found.read_per_step / found.payload_per_step:.3f} ×: "
        f"{(found.read_per_step - found.shuffle_per_step) / found.payload_per_step:.3f}, and the shuffle_index, "
        f"{found.shuffle_per_step / found.payload_per_step:.3f}",
        "pages": f"{found.pages_per_row:.3f} of {page // 1024} KiB a row",
        "opens": f"{found.opens:,} at the start, {found.open_files:,} files open with stripes",
        "files": f"{found.files:,} for training, {found.stripes} stripes the largest",
        "bytes": f"{format_size(found.stored, 'B')}{of_copies}; {format_size(found.while_writing, 'B')} while they are written",
        "memory": f"{format_size(found.memory, 'B')} of pages in use a reader",
    }
    head = (
        f"{name}: {corpus.rows:,} rows of {corpus.sequence_tokens:,} tokens, {corpus.layout} ({shape}), "
        f"micro batch {job.micro_batch} × {job.data_parallel} ranks, {job.readers:,} readers"
    )
    return [head, *(f"  {line}" for line in align_columns(list(rows.items()), left=(0, 1)))]
