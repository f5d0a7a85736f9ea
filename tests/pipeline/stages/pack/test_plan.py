"""What pack decides beforehand: rows of every source and epoch, binaries, and ranges of their rows."""

import numpy as np
import pytest

from kakehi.pipeline.errors import ParameterError
from kakehi.pipeline.stages.pack.model import PackSettings
from kakehi.pipeline.stages.pack.plan import bucket_ranges, lay_out


def settings(training: int, validation: int = 0) -> PackSettings:
    return PackSettings(
        sequence_tokens=16,
        seed=1,
        dtype="<u2",
        vocab_size=400,
        eod=2,
        tokenizer="",
        held_out={},
        rows=(training, validation),
    )


def test_a_mix_that_rounds_to_nothing_is_said_to() -> None:
    """Where it hangs on the data, the mix is named, not the lanes."""
    for lanes in (8, 1):
        with pytest.raises(ParameterError, match=r"pack\.mix: got no row for training, wanted one"):
            lay_out("c", settings(0, 3), (lanes, 1), None)


@pytest.mark.parametrize(("rows", "validation"), [(24, 0), (25, 3), (47, 1)])
def test_lanes_are_one_file_with_a_guard_row_behind(rows: int, validation: int) -> None:
    """Whole turns of all lanes are samples, the rest lies behind; validation follows in plain order."""
    train, *valid = lay_out("c", settings(rows, validation), (8, 3), None)
    assert (train.layout.samples, train.layout.rows) == (rows - rows % 8, rows + 1)
    assert [(b.layout.samples, b.layout.rows, b.first) for b in valid] == [
        (validation, validation + 1, rows + 1)
    ] * bool(validation)


def test_stock_is_as_many_files_as_their_size_asks() -> None:
    """Nearly equal ones, each with its guard, none too large."""
    made = lay_out("c", settings(100), (1, 1), 1e-6)  # 31 rows of 32 bytes
    assert [binary.layout.samples for binary in made] == [25, 25, 25, 25]
    assert all(binary.layout.rows * 32 <= 1000 for binary in made)
    assert [binary.first for binary in made] == [0, 26, 52, 78]


@pytest.mark.parametrize("bucket_bytes", [1, 32, 100, 320, 10**9])
def test_ranges_cover_every_row_once(bucket_bytes: int) -> None:
    """In order, within the bytes, and never of two binaries."""
    known = settings(40, 5)
    binaries = lay_out("c", known, (8, 3), None)
    found = bucket_ranges(PackSettings(**{**vars(known), "binaries": binaries}), bucket_bytes)
    rows = [binary.first + first + i for binary, first, count in found for i in range(count)]
    assert rows == list(range(sum(binary.layout.rows for binary in binaries)))
    assert all(count * 32 <= max(bucket_bytes, 32) for _, _, count in found)
    assert len(np.unique([binary.first + first for binary, first, _ in found])) == len(found)
