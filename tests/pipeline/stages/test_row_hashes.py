"""Rows are brought together by hash, those of one hash in their order."""

from collections import Counter

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kakehi.pipeline.stages.row_hashes import HASHED, equal_hashes

WORDS = st.integers(0, 3)


@given(st.lists(st.tuples(WORDS, WORDS), max_size=30))
def test_each_hash_begins_once_and_its_rows_ascend(words):
    """Held to a count by Python."""
    records = np.array([(high, low, row) for row, (high, low) in enumerate(words)], HASHED)
    rows, start, length = equal_hashes(records)
    found = {
        tuple(rows[["high", "low"]][at].tolist()): rows["row"][at : at + count].tolist()
        for at, count in zip(start, length, strict=True)
    }
    assert {pair: len(mine) for pair, mine in found.items()} == Counter(words)
    assert found == {pair: [row for row, other in enumerate(words) if other == pair] for pair in found}
