"""Every rank goes forward through its own rows, whatever the job."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kakehi.tokenizer.packed.lanes import Lanes, Parallel, refuse_lanes, samples_of_step, walk


def slow_rows(lanes: int, tile_rows: int, length: int) -> list[int]:
    """List samples in the order in which their rows lie: tile sets, in each the lanes, in each the times."""
    return [
        time * lanes + lane
        for first in range(0, length, tile_rows)
        for lane in range(lanes)
        for time in range(first, min(first + tile_rows, length))
    ]


def layout(lanes: int, tile_rows: int, length: int, behind: int = 1) -> Lanes:
    return Lanes(lanes=lanes, tile_rows=tile_rows, samples=lanes * length, rows=lanes * length + behind)


shapes = st.tuples(st.integers(1, 9), st.integers(1, 7), st.integers(0, 20), st.integers(1, 5))


@given(shapes)
def test_rows_and_samples_agree_with_the_slow_twin(shape) -> None:
    """Both ways; what lies behind the samples is its own number."""
    made = layout(*shape)
    lanes, tile_rows, length, _ = shape
    order = slow_rows(lanes, tile_rows, length) + list(range(made.samples, made.rows))
    every = np.arange(made.rows)
    assert made.sample_of(every).tolist() == order
    assert made.row_of(np.array(order, np.int64)).tolist() == every.tolist()


@given(shapes)
def test_lane_after_lane_every_row_is_in_its_tile(shape) -> None:
    """Turns take each lane's samples together; the tiles at their places are the file's, each once, and hold those rows."""
    made = layout(*shape)
    lanes, _, length, _ = shape
    turns = made.turn_of(np.arange(made.rows))
    by_lane = [time * lanes + lane for lane in range(lanes) for time in range(length)]
    assert np.argsort(turns).tolist() == by_lane + list(range(made.samples, made.rows))
    lengths = [tokens for count, tokens in made.runs(8) for _ in range(count)]
    assert (lengths[-1], sum(lengths)) == (1, made.tokens(8))
    heights = np.array([-(-tokens // 8) for tokens in lengths])
    assert made.sequences == len(heights)
    sequences = made.sequence_at(np.arange(made.sequences))
    assert sorted(sequences.tolist()) == list(range(made.sequences))
    place, within = made.place_of(turns)
    assert (within < heights[sequences[place]]).all()
    rows = (np.cumsum(heights) - heights)[sequences[place]] + within
    assert rows.tolist() == made.row_of(np.arange(made.rows)).tolist()


#: Ramp-up of the global batch, changes of size and micro batch, and a resume in the middle, all on 96 lanes.
PLANNED = [
    [(Parallel(1, 96), 96, 10)],
    [(Parallel(4, 24), 96, 3), (Parallel(2, 8), 32, 5), (Parallel(2, 8), 64, 5), (Parallel(1, 1), 7, 9)],
    [(Parallel(1, 3), 48, 7), (Parallel(3, 32), 192, 2), (Parallel(1, 2), 2, 11)],
    [(Parallel(2, 48), 96, 4), (Parallel(2, 24), 96, 4), (Parallel(2, 48), 192, 2)],
]


@pytest.mark.parametrize("phases", PLANNED)
@pytest.mark.parametrize("tile_rows", [1, 4, 16, 1000])
def test_the_sampler_reads_all_forward(phases, tile_rows: int) -> None:
    """Disjoint and complete over all phases, and each rank's lanes rise in every phase."""
    made = layout(96, tile_rows, 50)
    seen: list[int] = []
    for number, rank, rows in walk(made, phases):
        seen += rows.tolist()
        lane = made.sample_of(rows) % 96
        for mine in np.unique(lane):
            assert (np.diff(rows[lane == mine]) > 0).all(), (number, rank)
        parallel = phases[number][0]
        streams = 96 // (parallel.micro_batch * parallel.data_parallel) * parallel.micro_batch
        if phases[number][1] * phases[number][2] % 96 == 0:
            assert len(np.unique(lane)) <= streams
    consumed = sum(batch * steps for _, batch, steps in phases)
    assert sorted(made.sample_of(np.array(seen)).tolist()) == list(range(consumed))


def test_ranks_share_no_lane() -> None:
    """Over a whole job each of 24 ranks meets 4 of 96 lanes, and no other rank does."""
    made = layout(96, 4, 50)
    found = [
        set((made.sample_of(rows) % 96).tolist()) for _, _, rows in walk(made, [(Parallel(2, 24), 48, 40)])
    ]
    assert [len(lanes) for lanes in found] == [4] * 24
    assert len(set.union(*found)) == 96


def test_a_step_is_what_megatron_gives_a_rank() -> None:
    """Batch i of rank d is consumed + i·μ·DP + d·μ and the μ - 1 behind it."""
    got = samples_of_step(3, 1, Parallel(2, 4), global_batch=16, consumed=100)
    assert got.tolist() == [150, 151, 158, 159]


@pytest.mark.parametrize(
    ("rank", "batch", "fault"),
    [
        (4, 16, "rank: got 4, wanted 0 to 3"),
        (-1, 16, "rank: got -1"),
        (0, 12, "global_batch: got 12"),
        (0, 0, "got 0"),
    ],
)
def test_impossible_steps_are_refused(rank: int, batch: int, fault: str) -> None:
    """Megatron would refuse them too."""
    with pytest.raises(ValueError, match=fault):
        samples_of_step(0, rank, Parallel(2, 4), global_batch=batch)


def test_lanes_that_do_not_divide_are_refused_with_a_proposal() -> None:
    """The least number that suits every planned job."""
    jobs = [Parallel(1, 144), Parallel(1, 224), Parallel(1, 252), Parallel(1, 288)]
    refuse_lanes(2016, jobs)
    refuse_lanes(7, [])
    with pytest.raises(
        ValueError, match=r"lanes: got 288, wanted a multiple of 1 × 224.*\nhint: lanes: 2016 suits"
    ):
        refuse_lanes(288, jobs)
    with pytest.raises(ValueError, match="lanes: got 64, wanted a multiple of 3 × 64"):
        refuse_lanes(64, [Parallel(3, 64)])
