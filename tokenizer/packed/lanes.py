"""Which row lies where: lanes that every reader walks forward, in tiles that are read whole. Pure arithmetic.

Megatron gives sample k to rank ((k - consumed) / micro batch) mod data-parallel size. Sample k is put into lane
k mod Λ; where Λ is a multiple of micro batch × data-parallel size, a rank meets whole lanes, whatever the global
batch, its ramp-up, or where a job resumes. A lane's rows lie in tiles of B, all lanes' first tiles first.

Source: own; the sampler is megatron-core's `MegatronPretrainingSampler`.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import lcm
from typing import NamedTuple

import numpy as np

from kakehi.arrays import Int64N


class Parallel(NamedTuple):
    """How a job splits its batches: rows of a step for one rank, and ranks."""

    micro_batch: int
    data_parallel: int


@dataclass(frozen=True, kw_only=True)
class Lanes:
    """A file of rows in storage order: samples in lanes, then rows that are no sample, at last the guard.

    The guard is one token, the last sample's last label. A row of end marks would be a sample of no loss to readers that
    shuffle sequences themselves.

    Args:
        lanes: Λ; 1 with `tile_rows` 1 is plain order.
        tile_rows: B, rows of a lane that lie together.
        samples: a multiple of `lanes`.
        rows: all of the file, the guard at its end counted as one.
    """

    lanes: int
    tile_rows: int
    samples: int
    rows: int

    @property
    def _body(self) -> tuple[int, int]:
        """Rows in tiles of full height, and the height of the last tiles."""
        high, rest = divmod(self.samples // self.lanes, self.tile_rows)
        return high * self.tile_rows * self.lanes, rest

    @property
    def _tiles(self) -> int:
        """Tiles of a lane, the last lower ones too."""
        return -(-self.samples // self.lanes // self.tile_rows)

    def row_of(self, samples: Int64N) -> Int64N:
        """Give the row of samples, int64[n]; a number behind the last sample is its own row."""
        body, rest = self._body
        time, lane = np.divmod(samples, self.lanes)
        tile, within = np.divmod(time, self.tile_rows)
        full = (tile * self.lanes + lane) * self.tile_rows + within
        last = body + lane * rest + within
        return np.where(samples >= self.samples, samples, np.where(full < body, full, last))

    def sample_of(self, rows: Int64N) -> Int64N:
        """Give the sample of rows, int64[n]; a row behind the samples is its own number."""
        body, rest = self._body
        tile, within = np.divmod(rows, self.tile_rows)
        full = (tile // self.lanes * self.tile_rows + within) * self.lanes + tile % self.lanes
        lane, low = np.divmod(rows - body, max(rest, 1))
        last = (body // self.lanes + low) * self.lanes + lane
        return np.where(rows >= self.samples, rows, np.where(rows < body, full, last))

    def turn_of(self, samples: Int64N) -> Int64N:
        """Number samples lane after lane, int64[n]: all of lane 0, then all of lane 1; behind them, their own number."""
        time, lane = np.divmod(samples, self.lanes)
        return np.where(samples >= self.samples, samples, lane * (self.samples // self.lanes) + time)

    def place_of(self, turns: Int64N) -> tuple[Int64N, Int64N]:
        """Give which tile, lane after lane, holds the row of a turn, and which of its rows it is, int64[n] each."""
        lane, time = np.divmod(turns, max(1, self.samples // self.lanes))
        tile, within = np.divmod(time, self.tile_rows)
        behind = turns - self.samples
        tile = np.where(behind < 0, lane * self._tiles + tile, self._tiles * self.lanes + behind)
        return tile, np.where(behind < 0, within, 0)

    def sequence_at(self, places: Int64N) -> Int64N:
        """Give the sequence of the file that is the n-th lane after lane, int64[n]."""
        lane, tile = np.divmod(places, max(1, self._tiles))
        return np.where(places < self._tiles * self.lanes, tile * self.lanes + lane, places)

    def runs(self, sequence_tokens: int) -> list[tuple[int, int]]:
        """List the sequences as (how many, tokens of each), in their order."""
        body, rest = self._body
        runs = [
            (body // self.tile_rows, self.tile_rows * sequence_tokens),
            (self.lanes if rest else 0, rest * sequence_tokens),
            (self.rows - 1 - self.samples, sequence_tokens),
            (1, 1),
        ]
        return [(count, tokens) for count, tokens in runs if count]

    def tokens(self, sequence_tokens: int) -> int:
        """Say how many tokens the file has."""
        return (self.rows - 1) * sequence_tokens + 1

    @property
    def sequences(self) -> int:
        """How many sequences there are."""
        return sum(count for count, _ in self.runs(1))


def samples_of_step(
    step: int, rank: int, parallel: Parallel, *, global_batch: int, consumed: int = 0
) -> Int64N:
    """List the samples that a data-parallel rank reads in a step, in its order.

    Args:
        step: counted from where `consumed` is.
        rank: data-parallel.
        parallel: micro batch and data-parallel size.
        global_batch: samples of a step, a multiple of their product.
        consumed: samples before step 0.

    Raises:
        ValueError: the batch does not divide, or there is no such rank.
    """
    at_once = parallel.micro_batch * parallel.data_parallel
    if global_batch < 1 or global_batch % at_once:
        raise ValueError(f"global_batch: got {global_batch}, wanted a multiple of {at_once}")
    if not 0 <= rank < parallel.data_parallel:
        raise ValueError(f"rank: got {rank}, wanted 0 to {parallel.data_parallel - 1}")
    first = consumed + step * global_batch + rank * parallel.micro_batch
    rounds = np.arange(global_batch // at_once) * at_once
    return np.asarray((first + rounds[:, None] + np.arange(parallel.micro_batch)).reshape(-1), np.int64)


def refuse_lanes(lanes: int, planned: Sequence[Parallel]) -> None:
    """Refuse lanes that a planned job's ranks would have to share.

    Raises:
        ValueError: names the job, and the lanes that suit all.
    """
    for micro_batch, data_parallel in planned:
        if lanes % (micro_batch * data_parallel):
            wanted = lcm(*(job.micro_batch * job.data_parallel for job in planned))
            raise ValueError(
                f"lanes: got {lanes}, wanted a multiple of {micro_batch} × {data_parallel}, micro batch × "
                f"data-parallel size\nhint: lanes: {wanted} suits every planned job"
            )


def walk(layout: Lanes, phases: Sequence[tuple[Parallel, int, int]]) -> Iterator[tuple[int, int, Int64N]]:
    """Simulate a training: yield (phase, rank, rows read in order), checking nothing.

    Args:
        layout: of the file.
        phases: (parallel, global batch, steps), one after another: ramp-up, a change of size, a resume.
    """
    consumed = 0
    for number, (parallel, global_batch, steps) in enumerate(phases):
        for rank in range(parallel.data_parallel):
            samples = [
                samples_of_step(step, rank, parallel, global_batch=global_batch, consumed=consumed)
                for step in range(steps)
            ]
            yield number, rank, layout.row_of(np.concatenate(samples))
        consumed += global_batch * steps
