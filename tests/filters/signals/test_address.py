"""Addresses are read without a network, and lists name hosts, what is below them, and paths."""

import random
import socket

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.signals.address import ADDRESS, check, evidence, measure, read_entries, split

NAMES = [signal.name for signal in ADDRESS.signals]


def measured(url, **options):
    """Return the signals of one URL by name."""
    return {
        n: c[0].as_py()
        for n, c in zip(NAMES, measure(pa.array([url], pa.large_string()), **options), strict=True)
    }


@pytest.mark.parametrize(
    ("url", "top", "domain"),
    [
        ("https://www.example.co.jp/a", "jp", "example.co.jp"),
        ("http://a.b.example.com:8080/", "com", "example.com"),
        ("https://user@EXAMPLE.JP./", "jp", "example.jp"),
        ("https://city.kawasaki.jp/", "jp", "city.kawasaki.jp"),
        ("https://x.example.kawasaki.jp/", "jp", "x.example.kawasaki.jp"),
        ("https://name.github.io/", "io", "name.github.io"),
        ("https://例え.jp/", "jp", "xn--r8jz45g.jp"),
        ("https://co.jp/", "jp", None),
        ("http://192.0.2.1/", None, None),
        ("http://[2001:db8::1]/", None, None),
        ("http://localhost/", "localhost", None),
    ],
)
def test_domains(url, top, domain):
    """The public suffix list decides where a name begins."""
    got = measured(url)
    assert (got["top_level_domain"], got["registrable_domain"], got["blocked"]) == (top, domain, 0)


@pytest.mark.parametrize("url", ["", None, "no url", "mailto:a@example.jp", "http://[broken/", "/path"])
def test_no_host(url):
    """What has no host has nothing, and is not blocked either."""
    assert set(measured(url).values()) == {None}


def test_no_socket_is_opened(monkeypatch):
    """The list of suffixes is the package's own."""
    monkeypatch.setattr(socket, "socket", None)
    assert measured("https://a.example.jp")["registrable_domain"] == "example.jp"


@pytest.fixture
def lists(tmp_path):
    """Write UT1's two files and a hosts file."""
    (tmp_path / "domains").write_bytes(b"bad.example\nBAD2.example\n\xe9t\xe9.example\n\n")
    (tmp_path / "urls").write_bytes(b"mixed.example/bad/\n")
    (tmp_path / "hosts").write_bytes(
        b"\xef\xbb\xbf# mine\n0.0.0.0 sink.example # why\n||\nhttps://whole.example/x/y\n.dot.example\n*.star.example\n"
    )
    return {"ut1": [tmp_path / "domains", tmp_path / "urls"], "own": tmp_path / "hosts"}


@pytest.mark.parametrize(
    ("url", "by"),
    [
        ("https://bad.example/", "ut1"),
        ("https://www.bad.example/x", "ut1"),
        ("https://notbad.example/", None),
        ("https://bad2.example", "ut1"),
        ("https://mixed.example/good", None),
        ("https://mixed.example/bad", "ut1"),
        ("https://www.mixed.example/bad/page?x=1", "ut1"),
        ("https://mixed.example/badly", None),
        ("https://sink.example/", "own"),
        ("https://whole.example/x", None),
        ("https://whole.example/x/y/z", "own"),
        ("https://a.dot.example/", "own"),
        ("https://a.star.example/", "own"),
        ("https://example/", None),
    ],
)
def test_lists(lists, url, by):
    """Hosts with what is below them, and paths with what is below them."""
    got = measured(url, blocklists=lists)
    assert (got["blocked_by"], got["blocked"]) == (by, int(by is not None))


def test_without_parents(lists):
    """Swallow looks up the host alone."""
    assert measured("https://www.bad.example/", blocklists=lists, parent_domains=False)["blocked"] == 0
    assert measured("https://bad.example/", blocklists=lists, parent_domains=False)["blocked"] == 1


@pytest.mark.parametrize(
    ("rule", "fits", "does_not"),
    [
        ("example.jp", "https://a.example.jp/", "https://anexample.jp/"),
        ("=example.jp", "https://example.jp/", "https://a.example.jp/"),
        ("*wikipedia.org", "https://mywikipedia.org/", "https://wikipedia.org.example/"),
        ("https://ja.wikipedia.org/", "https://ja.wikipedia.org/wiki/猫", "http://ja.wikipedia.org/wiki/猫"),
        ("/*.cgi", "https://a.example/bbs.cgi", "https://a.example/cgi/"),
    ],
)
def test_rules(rule, fits, does_not):
    """Each form of a rule."""
    assert measured(fits, rules=["none.example", rule])["blocked_by"] == rule
    assert measured(does_not, rules=[rule])["blocked"] == 0


def test_the_first_list_has_it(lists, tmp_path):
    """Of several lists the one named first, and a list before a rule."""
    (tmp_path / "more").write_text("bad.example\n")
    got = measured("https://bad.example/", blocklists={"more": tmp_path / "more", **lists}, rules=["example"])
    assert got["blocked_by"] == "more"
    assert evidence(pa.array(["https://www.bad.example/"]), blocklists=lists) == ["ut1 has 'bad.example'"]
    assert evidence(pa.array(["https://good.example/"]), blocklists=lists) == []


def test_a_list_that_is_not_text(tmp_path):
    """An archive is not read as names."""
    path = tmp_path / "ut1.tar.gz"
    path.write_bytes(b"\x1f\x8b\x08\0\0")
    with pytest.raises(ValueError, match=r"'ut1\.tar\.gz': is not text"):
        check(blocklists={"ut1": [path]})


@pytest.mark.slow
@settings(max_examples=200)
@given(
    st.lists(st.from_regex(r"([a-c]{1,2}\.){0,2}[a-c](/[a-b]){0,2}", fullmatch=True), max_size=6),
    st.integers(0, 99),
)
def test_lookups_equal_their_twin(tmp_path_factory, entries, seed):
    """What the hashes say is what comparing the names says."""
    path = tmp_path_factory.mktemp("list") / "list"
    path.write_text("\n".join(entries))
    rng = random.Random(seed)  # noqa: S311 - not for secrets
    for _ in range(20):
        url = f"http://{'.'.join(rng.choices('abc', k=rng.randint(1, 4)))}/{'/'.join(rng.choices('ab', k=rng.randint(0, 3)))}"
        host, where = split(url)
        want = any(
            (host == name or host.endswith(f".{name}"))
            and (not inner or f"{where}/".startswith(f"/{inner}/"))
            for name, _, inner in (entry.partition("/") for entry in entries)
        )
        assert measured(url, blocklists={"l": path})["blocked"] == want, (url, entries)
    assert len(list(read_entries(path))) == len(entries)
