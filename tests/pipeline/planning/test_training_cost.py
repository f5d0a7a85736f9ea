"""What reading costs, against numbers that were counted on the real reader, and every limit that refuses."""

from dataclasses import replace

import numpy as np
import pytest

from kakehi.pipeline.engines.machine import Limit, Limits
from kakehi.pipeline.planning.training_cost import Corpus, Job, costs, pages_per_row, refusals

#: The published 13 B run: 2,016 rows a step, 288 ranks, 2,048 tokens of 2 bytes, pages of 64 KiB.
RUN = Job(micro_batch=1, data_parallel=288, global_batch=2016, readers=576, nodes=13_824)
LANES = Corpus(
    rows=185_546_592, sequence_tokens=2048, token_bytes=2, layout="lanes", lanes=2016, tile_rows=256
)
STOCK = replace(LANES, layout="stock", lanes=1, tile_rows=1)
PAGE = 1 << 16


def limits(**values: int) -> Limits:
    return Limits(
        **{name: Limit(value=value, source="a test", date="2026") for name, value in values.items()}
    )


@pytest.mark.parametrize(
    ("corpus", "per_step"),
    [
        (STOCK, 56.9),
        (replace(LANES, tile_rows=16), 1.28),
        (LANES, 0.62),
        (replace(LANES, tile_rows=1024), 0.575),
        (replace(LANES, tile_rows=92_037), 0.565),
    ],
)
def test_pages_are_those_that_were_counted(corpus: Corpus, per_step: float) -> None:
    """Of seven rows a step, counted entry by entry over 100 million documents, to 3 %."""
    assert 7 * sum(pages_per_row(corpus, RUN, PAGE).values()) == pytest.approx(per_step, rel=0.03)


def counted_pages(corpus: Corpus, ranks: int, page: int, first_of: np.ndarray) -> float:
    """Count, entry by entry, the pages that a rank touches in a whole job, each once if it goes forward; by row."""
    samples = np.arange(corpus.rows // ranks // 2, corpus.rows, ranks)  # of one rank, μ 1
    rows = corpus.placed.row_of(samples)
    pieces, behind = first_of[rows], first_of[rows + 1]
    runs = {  # first and last byte of what is read for each row
        ".bin": (rows * corpus.row_bytes, (rows + 1) * corpus.row_bytes),
        "length": (4 * pieces, 4 * behind),
        "pointer": (8 * pieces, 8 * behind),
        "document": (4 * pieces, 4 * behind),
        "sample": (8 * rows, 8 * rows + 15),
        "shuffle": (4 * samples, 4 * samples),
    }
    touched = 0
    for first, last in runs.values():
        pages = [np.arange(a, b + 1) for a, b in zip(first // page, last // page, strict=True)]
        one_by_one = corpus.layout == "stock"
        touched += sum(map(len, pages)) if one_by_one else len(np.unique(np.concatenate(pages)))
    return touched / len(rows)


@pytest.mark.parametrize(("tile_rows", "ranks"), [(16, 288), (64, 288), (64, 24)])
def test_pages_of_pieces_are_those_counted_entry_by_entry(tile_rows: int, ranks: int) -> None:
    """Of each tile three runs of entries beside its tokens; sizes of the files follow the pieces."""
    rows, job = 288 * 512, RUN._replace(data_parallel=ranks, global_batch=288)
    each = np.random.default_rng(1).integers(1, 7, rows + 1)
    first_of = np.concatenate(([0], np.cumsum(each)))
    corpus = replace(LANES, rows=rows, lanes=288, tile_rows=tile_rows, pieces=int(each[:-1].sum()))
    planned = sum(pages_per_row(corpus, job, PAGE).values())
    assert planned == pytest.approx(counted_pages(corpus, ranks, PAGE, first_of), rel=0.05)
    assert planned > sum(pages_per_row(replace(corpus, pieces=None), job, PAGE).values())
    assert corpus.files()[".idx"] == 34 + 12 * corpus.sequences + 8 * (corpus.sequences + 1)
    assert corpus.files()["document_index"] == 4 * corpus.sequences


def test_pieces_in_random_order_cost_less_than_rows() -> None:
    """What is next to a row lies behind it, not somewhere; all but the shuffle is one row's own."""
    each = np.random.default_rng(1).integers(1, 7, 100_001)
    corpus = replace(STOCK, rows=100_000, pieces=int(each[:-1].sum()))
    first_of = np.concatenate(([0], np.cumsum(each)))
    planned = pages_per_row(corpus, RUN, PAGE)
    planned.pop("shuffle_index")
    counted = counted_pages(corpus, 288, PAGE, first_of)
    assert sum(planned.values()) == pytest.approx(counted - 1, rel=0.05)
    assert sum(planned.values()) < sum(pages_per_row(replace(corpus, pieces=None), RUN, PAGE).values()) - 3


def test_the_worked_example() -> None:
    """Sizes of the files of the 13 B run in lanes, to the byte; opens, and bytes of a step."""
    sizes = LANES.files()
    assert sizes[".bin"] == 759_998_840_834
    assert sizes[".idx"] == 14_515_262
    found = costs(LANES, RUN, limits(page_bytes=PAGE, stripe_count=48))
    assert found.opens == 3456
    assert found.payload_per_step == 7 * 4096
    assert found.read_per_step == pytest.approx(40_500, rel=0.01)
    assert found.stripes == 48


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
