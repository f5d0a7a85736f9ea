"""Every limit of a machine that refuses a packed corpus."""

from dataclasses import replace

import pytest

from kakehi.pipeline.engines.machine import Limits
from kakehi.pipeline.planning.training_cost import Corpus, Job
from kakehi.pipeline.planning.training_limits import refusals
from tests.pipeline.planning.test_training_cost import LANES, PAGE, RUN, STOCK, limits


@pytest.mark.parametrize(
    ("corpus", "job", "limit", "value", "way_out"),
    [
        (LANES, RUN, "quota_bytes", 10**12, "rows fit"),
        (LANES, RUN, "quota_inodes", 5, "fewer readers"),
        (LANES, RUN, "directory_files", 5, "fewer readers"),
        (STOCK, RUN, "opens_at_start", 3000, "at most 0 binaries fit"),
        (replace(STOCK, prefixes=34), RUN, "opens_at_start", 100_000, "at most 28 binaries fit"),
        (LANES, RUN, "process_open_files", 5, "fewer readers"),
        (LANES, RUN._replace(readers=30_000), "shared_file_processes", 28_000, "common ones"),
        (LANES, RUN._replace(readers=9_000), "shared_file_nodes", 7_000, "common ones"),
        (LANES, RUN, "group_nodes", 12_288, "fewer nodes"),
        (LANES, RUN, "node_bytes", 1000, "lanes: 288 are the fewest"),
        (LANES, RUN, "common_files", 5, "fewer readers"),
        (LANES, RUN, "common_bytes", 10**9, "tile_rows: 256 or more"),
        (LANES, RUN._replace(nodes=1), "open_files_per_node", 1024, "fewer stripes"),
        (replace(STOCK, prefixes=100), RUN, "stock_file_bytes", 10**10, "pack.file_gb: 10 or more"),
    ],
)
def test_each_limit_refuses(corpus: Corpus, job: Job, limit: str, value: int, way_out: str) -> None:
    """Just the one that is broken, with what it got and a way out; not where nobody says."""
    [refusal] = refusals(corpus, job, limits(**{limit: value}))
    assert refusal.limit == limit
    assert f"{value:,}" in refusal.said
    assert way_out in refusal.way_out
    assert list(refusals(corpus, job, Limits())) == []


def test_copies_share_the_readers() -> None:
    """A file that is too much asked for is not with two of it."""
    known, job = limits(shared_file_processes=28_000, shared_file_nodes=7_000), RUN._replace(readers=14_000)
    assert [refusal.limit for refusal in refusals(LANES, job, known)] == ["shared_file_nodes"]
    assert list(refusals(LANES, job._replace(copies=2), known)) == []


@pytest.mark.parametrize(
    ("tile_rows", "limit", "way_out"),
    [
        (1024, "stripe_bytes", "tile_rows: 256"),
        (100, "page_bytes", "tile_rows: 96"),
        (1, "page_bytes", "tile_rows: 16"),
    ],
)
def test_tiles_are_pages_and_within_a_stripe(tile_rows: int, limit: str, way_out: str) -> None:
    """Whole pages, one stripe at most; the nearest number of rows that is both."""
    known = limits(page_bytes=PAGE, stripe_bytes=1 << 20, stripe_count=48)
    [refusal] = refusals(replace(LANES, tile_rows=tile_rows), RUN, known)
    assert (refusal.limit, refusal.way_out) == (limit, way_out)
    assert list(refusals(LANES, RUN, known)) == []
    assert list(refusals(replace(LANES, tile_rows=int(way_out.split()[1])), RUN, known)) == []


def test_lanes_that_all_begin_on_one_server_are_refused() -> None:
    """Whole lanes in a row, each a multiple of all stripes."""
    corpus = replace(LANES, rows=2016 * 12_288 * 2, tile_rows=10**6)
    known = limits(page_bytes=PAGE, stripe_bytes=1 << 20, stripe_count=48)
    assert {refusal.limit for refusal in refusals(corpus, RUN, known)} == {"stripe_bytes", "stripe_count"}


@pytest.mark.parametrize(
    ("corpus", "limit"),
    [
        (replace(LANES, tile_rows=600_000, rows=2016 * 600_000), "tile bytes in int32"),
        (replace(LANES, rows=2**32 - 1), "samples in uint32"),
        (replace(STOCK, rows=2**31), "sequences in int32"),
        (replace(LANES, pieces=2**31), "sequences in int32"),
        (replace(STOCK, prefixes=3, pieces=10), "binaries of pieces"),
        (replace(LANES, rows=2000), "lanes with a row each"),
    ],
)
def test_what_readers_cannot_number_is_refused(corpus: Corpus, limit: str) -> None:
    """On every machine, with a layout they can."""
    assert limit in {refusal.limit for refusal in refusals(corpus, RUN, Limits())}
