"""Which limits of a machine a packed corpus would break, before a byte is written, and what would keep them. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import ceil, gcd
from typing import NamedTuple

from kakehi.pipeline.engines.machine import Limits
from kakehi.pipeline.planning.training_cost import OPENS, Corpus, Job, costs


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
            ceil(job.readers / job.copies),
            "stage the files as common ones (llio_transfer), or more copies in index.jobs",
        ),
        (
            "shared_file_nodes",
            min(ceil(job.readers / job.copies), job.nodes),
            "stage the files as common ones (llio_transfer), or more copies in index.jobs",
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
