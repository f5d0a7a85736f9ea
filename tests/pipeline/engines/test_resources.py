"""Estimates of disk and memory: formulas, refusals, and that larger shards and fewer bytes are seen in them."""

import pytest

from kakehi.pipeline.engines.resources import Estimate, InputVolume, refuse
from kakehi.pipeline.errors import ManifestError, WorkFolderError

MIB = 1 << 20
ESTIMATE = Estimate(
    scratch_bytes=10**9, table_bytes=10**8, task_bytes=5 * MIB, least_bytes=300 * MIB, later="more"
)


def volume(*rows, memory=4 << 30):
    """Give a volume of so many documents a shard."""
    return InputVolume(
        rows=rows,
        text_bytes=0,
        largest_bytes=0,
        bands=14,
        groups=sum(rows),
        kept=sum(rows),
        pairs=0,
        bytes_per_worker=memory,
        parameters={},
    )


def test_what_fits_is_let_through():
    """To the byte, and with what an earlier run left in scratch."""
    refuse("pair", ESTIMATE, free_bytes=11 * 10**8, there_bytes=0, bytes_per_worker=492 * MIB)
    refuse("pair", ESTIMATE, free_bytes=10**8, there_bytes=10**9, bytes_per_worker=492 * MIB)


def test_a_worker_that_is_too_small_is_told_how_large():
    """One error, with the number for the machine file."""
    with pytest.raises(
        ManifestError, match=r"pair: its largest shard takes a task of 515.9 MB.*\nhint: .*492MiB"
    ):
        refuse("pair", ESTIMATE, free_bytes=10**12, there_bytes=0, bytes_per_worker=491 * MIB)


def test_a_disk_that_is_too_small_is_told_how_much():
    """Before anything is written."""
    with pytest.raises(
        WorkFolderError, match=r"pair: will take 1.1 GB of disk, 1.0 GB are free.*\nhint: free space"
    ):
        refuse("pair", ESTIMATE, free_bytes=10**9, there_bytes=0, bytes_per_worker=4 << 30)


def test_a_task_holds_a_partition_or_the_largest_shard():
    """Partitions are cut as small as memory asks; a shard's records are scattered in one go."""
    many = volume(*[1000] * 1000)
    assert many.task_bytes(24, 10**9) == -(-(10**9) // 2)  # of 512 MiB at most, so two
    small = volume(*[1000] * 1000, memory=256 * MIB)
    assert small.task_bytes(24, 10**9) == 125_000_000
    assert volume(10**6, memory=256 * MIB).task_bytes(252, 10**6) == 3 * 252 * 10**6


def test_a_promise_is_told_in_a_line():
    """With the process itself in a task's bytes, and what is known later."""
    assert ESTIMATE.told() == "1.0 GB of scratch, 100.0 MB of tables, 273.7 MB a task; more"
