"""A robots.txt of any making is read in memory and time of its size, and asks for no endless rest."""

import time
import tracemalloc

import pytest

pytest.importorskip("protego", reason="of the extra crawl")

from kakehi.pipeline.sources.crawl.robots import MAX_DELAY_S, Robots


def names(count: int) -> list[str]:
    return ["bot-" + "".join(chr(97 + at // 26**digit % 26) for digit in range(4)) for at in range(count)]


@pytest.mark.slow
def test_thousands_of_names_above_one_group_cost_their_size() -> None:
    """14,000 lines of User-agent, a set for each, were 4.5 GB."""
    rules = "Disallow: /private\n" * 7000
    text = "".join(f"User-agent: {name}\n" for name in names(14_000)) + "User-agent: kakehi\n" + rules
    tracemalloc.start()
    began = time.process_time()
    try:
        robots = Robots(200, (text + "Sitemap: https://a.example/s.xml\n").encode(), agent="kakehi")
        found = robots.permission("https://a.example/private/1")
        sitemaps = robots.sitemaps
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert not found.allowed
    assert sitemaps == ("https://a.example/s.xml",)
    assert most < 100e6
    assert time.process_time() - began < 30


@pytest.mark.parametrize(
    ("line", "seconds"),
    [
        ("Crawl-delay: 1e300", MAX_DELAY_S),
        ("Crawl-delay: 86401", MAX_DELAY_S),
        ("Crawl-delay: 2.5", 2.5),
        ("Crawl-delay: nan", 0),
        ("Crawl-delay: inf", 0),
        ("Crawl-delay: -5", 0),
        ("Request-rate: 1/" + "9" * 400, MAX_DELAY_S),
        ("Request-rate: 1/" + "9" * 5000, 0),
        ("Request-rate: 0/10", 0),
        ("Request-rate: 1/10", 10),
    ],
)
def test_a_rest_between_requests_ends(line: str, seconds: float) -> None:
    """A day at most; what is no number of seconds asks for nothing."""
    assert Robots(200, f"User-agent: *\n{line}\n".encode(), agent="kakehi").delay_s == seconds
