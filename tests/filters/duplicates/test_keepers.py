"""Test candidates and the choice of who leaves against slow ones."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.duplicates.keepers import candidate_pairs, leaving


def leave_slowly(later, earlier, similarity, gone):
    """Walk the documents in order and look through all pairs for each."""
    found = []
    for number, left in enumerate(gone):
        good = [
            (-value, better, p)
            for p, (worse, better, value) in enumerate(zip(later, earlier, similarity, strict=True))
            if worse == number and not gone[better] and found[better] < 0
        ]
        found.append(min(good)[2] if good and not left else -1)
    return found


def pairs_slowly(keys, rows, max_bucket):
    """Collect buckets in a dictionary; of the large ones, their rows."""
    buckets = {}
    for key, row in zip(keys, rows, strict=True):
        buckets.setdefault(key, []).append(row)
    pairs, large = set(), []
    for bucket in map(sorted, buckets.values()):
        if len(bucket) > max_bucket:
            large.append(bucket)
        else:
            pairs |= {(*pair, bucket[0]) for pair in combinations(bucket, 2)}
    return pairs, large


@st.composite
def problems(draw):
    """Draw pairs of documents, worse and better, and who has left already; none of these is the worse one."""
    n = draw(st.integers(2, 14))
    gone = np.array(draw(st.lists(st.integers(0, 4), min_size=n, max_size=n))) == 0
    two = st.lists(st.integers(0, n - 1), min_size=2, max_size=2, unique=True)
    pairs = draw(st.lists(two.map(sorted).map(tuple), max_size=25, unique=True))
    pairs = np.array([pair for pair in pairs if not gone[pair[1]]], np.int64).reshape(-1, 2)
    values = st.sampled_from([0.8, 0.85, 0.9, 1.0])
    similarity = draw(st.lists(values, min_size=len(pairs), max_size=len(pairs)))
    return pairs[:, 1], pairs[:, 0], np.array(similarity, float), gone


@pytest.mark.slow
@settings(max_examples=300)
@given(problems())
def test_equals_slow_greedy(problem):
    """The pair by which each leaves is the slow choice's."""
    found = leaving(*problem)
    assert found.tolist() == leave_slowly(*(column.tolist() for column in problem))
    assert found.dtype == np.int64


@settings(max_examples=100)
@given(problems())
def test_nobody_leaves_for_a_leaver(problem):
    """Everyone leaves by a pair of its own, for one that stays and was not gone."""
    later, earlier, _, gone = problem
    pair = leaving(*problem)
    left = np.flatnonzero(pair >= 0)
    assert (later[pair[left]] == left).all()
    assert (pair[earlier[pair[left]]] < 0).all()
    assert not gone[earlier[pair[left]]].any()


def test_no_chains():
    """Of a – b – c with a and c unlike, b leaves for a and c stays; c leaves for b where a is gone, and so b stays."""
    later, earlier, similarity = np.array([1, 2]), np.array([0, 1]), np.array([0.9, 0.95])
    assert leaving(later, earlier, similarity, np.zeros(3, bool)).tolist() == [-1, 0, -1]
    assert leaving(later, earlier, similarity, np.array([True, False, False])).tolist() == [-1, -1, 1]


def test_a_million_pairs_are_quick():
    """A star and a chain of half a million documents each are settled in one walk."""
    n = 500_000
    for earlier, kept in ((np.zeros(n - 1, np.int64), 1), (np.arange(n - 1), n // 2)):
        pair = leaving(np.arange(1, n), earlier, np.full(n - 1, 0.9), np.zeros(n, bool))
        assert (pair < 0).sum() == kept


@settings(max_examples=100)
@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 8), st.randoms(use_true_random=False))
def test_candidates_equal_buckets(keys, max_bucket, random):
    """Pairs, and the rows of large buckets, equal those of a dictionary."""
    rows = np.array(random.sample(range(100), len(keys)), np.int64)
    pairs, large = candidate_pairs(np.array(keys, np.uint64), rows, max_bucket=max_bucket)
    wanted, wanted_large = pairs_slowly(keys, rows.tolist(), max_bucket)
    assert len(pairs) == len(wanted)
    assert set(map(tuple, pairs.tolist())) == wanted
    assert sorted(rows[places].tolist() for places in large) == sorted(wanted_large)


def test_arrays_that_do_not_belong_together():
    """Unequal lengths and unknown groups are refused with their numbers."""
    one, two, no = np.ones(1, np.int64), np.full(1, 2), np.zeros(2, bool)
    with pytest.raises(ValueError, match=r"have \(1, 0, 1\) pairs, wanted as many"):
        leaving(one, one[:0], np.ones(1), no)
    with pytest.raises(ValueError, match=r"reach 1, wanted 0 <= earlier < later < 2"):
        leaving(one, one, np.ones(1), no)
    with pytest.raises(ValueError, match=r"reach 2, wanted 0 <= earlier < later < 2"):
        leaving(two, one, np.ones(1), no)
    with pytest.raises(ValueError, match="wanted as many"):
        candidate_pairs(np.zeros(2, np.uint64), np.zeros(1, np.int64))
