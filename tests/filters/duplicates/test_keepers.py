"""Test the choice of keepers against a slow greedy one."""

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.duplicates.keepers import candidate_pairs, choose_keepers

KEPT, EXACT, NEAR, OBJECTED = range(4)


def choose_slowly(group, priority, objected, pairs, similarity, threshold):
    """Walk the groups in order and look through all pairs for each."""
    members = {}
    for row in sorted(range(len(group)), key=lambda row: priority[row]):
        if not objected[row]:
            members.setdefault(group[row], []).append(row)
    partner, alike = [-1] * len(group), [math.nan] * len(group)
    kind = [OBJECTED] * len(group)
    kept = []
    for number, rows in members.items():  # in the order of the representatives' priority
        best = None
        for (a, b), value in zip(pairs, similarity, strict=True):
            other = b if a == number else a if b == number else None
            if other in kept and value >= threshold:
                better = (-value, priority[members[other][0]], other)
                best = min(best, better) if best else better
        if best is None:
            kept.append(number)
        for row in rows:
            if best is not None:
                partner[row], alike[row], kind[row] = members[best[2]][0], -best[0], NEAR
            elif row == rows[0]:
                kind[row] = KEPT
            else:
                partner[row], alike[row], kind[row] = rows[0], 1.0, EXACT
    return partner, alike, kind


def pairs_slowly(keys, rows, max_bucket):
    """Collect buckets in a dictionary."""
    buckets = {}
    for key, row in zip(keys, rows, strict=True):
        buckets.setdefault(key, []).append(row)
    pairs, cut = set(), 0
    for bucket in buckets.values():
        bucket.sort()
        whole = len(bucket) <= max_bucket
        cut += not whole and len(bucket) > 1
        pairs |= set(combinations(bucket, 2)) if whole else {(bucket[0], row) for row in bucket[1:]}
    return pairs, cut


@st.composite
def problems(draw):
    """Draw rows, groups without gaps, objections and pairs of groups."""
    n = draw(st.integers(0, 14))
    raw = draw(st.lists(st.integers(0, 8), min_size=n, max_size=n))
    group = np.unique(np.array(raw, np.int64), return_inverse=True)[1].reshape(-1)
    priority = np.array(draw(st.permutations(range(n))), np.int64)
    objected = np.array(draw(st.lists(st.booleans(), min_size=n, max_size=n)), bool)
    number = st.integers(0, max(int(group.max()), 0)) if n else st.nothing()
    distinct = st.tuples(number, number).map(sorted).map(tuple) if n else st.nothing()
    pairs = draw(st.lists(distinct, max_size=25, unique=True)) if n else []
    flips = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    pairs = [pair[::-1] if flip else pair for pair, flip in zip(pairs, flips, strict=True)]
    values = st.sampled_from([0.5, 0.79, 0.8, 0.85, 0.9, 1.0, math.nan])
    similarity = draw(st.lists(values, min_size=len(pairs), max_size=len(pairs)))
    return group, priority, objected, np.array(pairs, np.int64).reshape(-1, 2), np.array(similarity, float)


@settings(max_examples=300, deadline=None)
@given(problems())
def test_equals_slow_greedy(problem):
    """Partners, similarities and kinds equal the slow choice's."""
    group, priority, objected, pairs, similarity = problem
    choice = choose_keepers(*problem, threshold=0.8)
    partner, alike, kind = choose_slowly(
        group.tolist(), priority.tolist(), objected.tolist(), pairs.tolist(), similarity.tolist(), 0.8
    )
    assert choice.partner.tolist() == partner
    assert choice.kind.tolist() == kind
    np.testing.assert_array_equal(choice.partner_similarity, alike)
    assert (choice.partner.dtype, choice.partner_similarity.dtype) == (np.int64, np.float64)
    assert choice.kind.dtype == np.int8


@settings(max_examples=100, deadline=None)
@given(problems())
def test_nobody_leaves_for_a_leaver(problem):
    """Every partner is itself kept, has no objection, and is no partner of itself."""
    choice = choose_keepers(*problem, threshold=0.8)
    left = choice.partner >= 0
    assert (choice.kind[choice.partner[left]] == KEPT).all()
    assert not problem[2][choice.partner[left]].any()
    assert (left == np.isin(choice.kind, [EXACT, NEAR])).all()


def test_no_chains():
    """Of a – b – c with a and c unlike, b leaves for a and c stays."""
    choice = choose_keepers(
        np.arange(3), np.arange(3), np.zeros(3, bool), np.array([[0, 1], [2, 1]]), np.array([0.9, 0.95]), 0.8
    )
    assert choice.kind.tolist() == [KEPT, NEAR, KEPT]
    assert choice.partner.tolist() == [-1, 0, -1]


def test_a_million_pairs_are_quick():
    """A star and a chain of half a million groups each are settled in one walk."""
    n = 500_000
    star = np.stack((np.zeros(n - 1, np.int64), np.arange(1, n)), axis=1)
    chain = np.stack((np.arange(n - 1), np.arange(1, n)), axis=1)
    for pairs, kept in ((star, 1), (chain, n // 2)):
        rows = np.arange(n)
        choice = choose_keepers(rows, rows, np.zeros(n, bool), pairs, np.full(n - 1, 0.9), 0.8)
        assert (choice.kind == KEPT).sum() == kept


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(0, 5), max_size=30), st.integers(1, 8), st.randoms(use_true_random=False))
def test_candidates_equal_buckets(keys, max_bucket, random):
    """Pairs and the number of cut buckets equal those of a dictionary."""
    rows = random.sample(range(100), len(keys))
    pairs, cut = candidate_pairs(np.array(keys, np.uint64), np.array(rows, np.int64), max_bucket=max_bucket)
    wanted, wanted_cut = pairs_slowly(keys, rows, max_bucket)
    assert len(pairs) == len(wanted)
    assert set(map(tuple, pairs.tolist())) == wanted
    assert cut == wanted_cut


def test_arrays_that_do_not_belong_together():
    """Unequal lengths and unknown groups are refused with their numbers."""
    rows = np.arange(2)
    no = np.zeros(2, bool)
    with pytest.raises(ValueError, match=r"have \(2, 2, 1\) rows"):
        choose_keepers(rows, rows, no[:1], np.empty((0, 2), np.int64), np.empty(0), 0.8)
    with pytest.raises(ValueError, match=r"pairs reach \(0, 2\), wanted 0 to 1"):
        choose_keepers(rows, rows, no, np.array([[0, 2]]), np.ones(1), 0.8)
    with pytest.raises(ValueError, match="wanted as many"):
        choose_keepers(rows, rows, no, np.array([[0, 1]]), np.ones(2), 0.8)
    with pytest.raises(ValueError, match="wanted as many"):
        candidate_pairs(np.zeros(2, np.uint64), np.zeros(1, np.int64))
