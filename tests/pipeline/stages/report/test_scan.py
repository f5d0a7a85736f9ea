"""What several passes found adds up in any order, however many there are."""

from collections import Counter

import numpy as np
import pyarrow as pa
import pytest

from kakehi.pipeline.stages.report.histogram import Bins
from kakehi.pipeline.stages.report.scan import KEPT, Charset, SampleRow, Scan, first_verdict, merge


def part(number: int) -> Scan:
    """Give what a pass over two documents might find."""
    bins = {"x": Bins.of(np.array([number, number / 7]))}
    charset = Charset("utf-8", "header")
    return Scan(
        kept=bins,
        dropped={"x": Bins()},
        missing=Counter(x=number),
        charsets=Counter({charset: 2}),
        replaced=Counter({charset: number}),
        verdicts=Counter({("a", KEPT): 2}),
        gate_alone=number,
        picks={KEPT: [SampleRow(number * 7919 % 101, 0, 0, number)]},
    )


@pytest.mark.parametrize("count", [0, 1, 15, 16, 17, 50])
def test_order_does_not_matter(count: int) -> None:
    """Forwards and backwards give the same sums and the same samples."""
    parts = [part(number) for number in range(count)]
    forth, back = merge(parts, samples=3), merge(reversed(parts), samples=3)
    assert forth.picks == back.picks
    assert forth.gate_alone == back.gate_alone == sum(range(count))
    assert forth.missing == back.missing
    assert forth.verdicts == back.verdicts == Counter({("a", KEPT): 2 * count} if count else {})
    assert [bins.total for bins in forth.kept.values()] == ([2 * count] if count else [])
    for name, bins in forth.kept.items():
        assert np.array_equal(bins.counts, back.kept[name].counts)


def test_samples_are_those_of_lowest_rank() -> None:
    """Ranks decide, not places."""
    found = merge([part(number) for number in range(50)], samples=3)
    assert [place.rank for place in found.picks[KEPT]] == sorted(n * 7919 % 101 for n in range(50))[:3]


def test_the_first_verdict_counts() -> None:
    """Verdicts speak in the order of their steps; none at all is kept."""
    verdicts = [pa.array([None, "a:b", None]), pa.array(["c:d", "e:f", None])]
    assert first_verdict(verdicts, 3).to_pylist() == ["c:d", "a:b", KEPT]
    assert first_verdict([], 2).to_pylist() == [KEPT, KEPT]
