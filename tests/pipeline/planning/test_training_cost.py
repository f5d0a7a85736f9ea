"""What reading costs, against numbers that were counted."""

from dataclasses import replace

import numpy as np
import pytest

from kakehi.pipeline.engines.machine import Limit, Limits
from kakehi.pipeline.planning.training_cost import Corpus, Job, costs, pages_per_row

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
        (replace(LANES, tile_rows=16), 0.5848),
        (LANES, 0.5631),
        (replace(LANES, tile_rows=1024), 0.5621),
        (replace(LANES, tile_rows=92_037), 0.5616),
    ],
)
def test_pages_are_those_that_were_counted(corpus: Corpus, per_step: float) -> None:
    """Of seven rows a step, counted entry by entry (bench/pages.py), those of stock over 100 million documents, to 1 %."""
    assert 7 * sum(pages_per_row(corpus, RUN, PAGE).values()) == pytest.approx(per_step, rel=0.01)


@pytest.mark.parametrize("lanes", [96, 288, 2016])
@pytest.mark.parametrize("ranks", [12, 144, 288])
def test_a_byte_of_payload_moves_little_more(lanes: int, ranks: int) -> None:
    """In every fitting pair 1 % more, beside the shuffle_index, which is 4 bytes a sample for every rank."""
    if lanes % ranks:
        return
    corpus, job = replace(LANES, lanes=lanes), RUN._replace(data_parallel=ranks)
    found = costs(corpus, job, limits(page_bytes=PAGE))
    assert found.shuffle_per_step / found.payload_per_step == pytest.approx(ranks / 1024)
    assert 1 <= (found.read_per_step - found.shuffle_per_step) / found.payload_per_step < 1.01


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
    assert found.read_per_step == pytest.approx(36_940, rel=0.01)
    assert found.stripes == 48
