"""Every rule set objects as its published definition does: on real pages, and at, below and above every threshold."""

import io
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from fastwarc.warc import ArchiveIterator, WarcRecordType
from resiliparse.extract.html2text import extract_plain_text
from resiliparse.parse.encoding import detect_encoding

from kakehi.pipeline.manifest.families import with_files
from kakehi.pipeline.manifest.rule_sets import needs_of, read_rules, shipped
from kakehi.pipeline.manifest.yaml_tree import YamlFile
from kakehi.pipeline.stages.measure import STAGE, FamilySpec, measure
from kakehi.pipeline.stages.screen import NUMBERS, Threshold, screen
from tests.manifests import edges, recipes

QUICKSTART = Path(__file__).parents[2] / "manifests" / "quickstart"
URL = "https://example.jp/"

#: Stand-ins for HojiChar's lists: words of one character, of one script and of two, one inside another.
LISTS = {
    "adult_keywords_ja": ["アス", "スケ", "大人の本", "大人", "ブスA", "艶"],
    "adult_keywords_en": ["Ass", "as is", "Sin"],
    "discrimination_keywords_ja": ["グレ", "ー", "馬鹿", "馬"],
    "violence_keywords_ja": ["殺", "ナイフ", "殺す"],
    "advertisement_keywords_ja": ["お問い合わせ", "送料無料", "送料"],
}


@pytest.fixture
def lists(tmp_path, monkeypatch):
    """Put a package of that name with lists of ours before any other, and give the lists by short names."""
    folder = tmp_path / "hojichar" / "dict"
    folder.mkdir(parents=True)
    (tmp_path / "hojichar" / "__init__.py").write_text("")
    for name, words in LISTS.items():
        (folder / f"{name}.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    names = {"adult_keywords_en": "adult_en"}
    return {names.get(name, name.partition("_")[0]): words for name, words in LISTS.items()}


@pytest.fixture(scope="module")
def pages():
    """Read the quickstart's pages, the Chinese and English ones too, by other libraries than ours."""
    found = []
    for path in sorted((QUICKSTART / "warc").glob("*.warc.gz")):
        for record in ArchiveIterator(io.BytesIO(path.read_bytes()), record_types=WarcRecordType.response):
            body = record.reader.read()
            html = body.decode(detect_encoding(body) or "utf-8", "replace")
            found.append(extract_plain_text(html, main_content=True))
    for path in sorted((QUICKSTART / "wiki").glob("*.zst")):
        with zstandard.open(path, "rt", encoding="utf-8", errors="replace") as lines:
            found += [
                json.loads(line, strict=False).get("text") for line in lines if line.rstrip().endswith("}")
            ]
    for path in sorted((QUICKSTART / "notes").glob("*.parquet")):
        found += [text for text in pq.read_table(path)["body"].to_pylist() if text]
    texts = [text for text in found if text and text.strip()]
    assert len(texts) > 150
    return texts


def signals_and_rules(name, texts, urls=None, *, without=()):
    """Measure what a set needs, and read its rules."""
    reading = YamlFile(path=Path("m.yaml"), tree={})
    items = [item for item in needs_of(reading, name) if item not in without]
    plain = [spec.model_dump() for spec in STAGE.model()(families=items).families]
    families = [FamilySpec(**spec) for spec in with_files(reading, ("measure",), plain, Path("/"))]
    rules = [Threshold(**rule) for rule in read_rules(reading, ("screen",), [name])]
    assert reading.faults == []
    columns = {
        "text": pa.array(texts, pa.large_string()),
        "url": pa.array((urls or [URL] * len(texts))[: len(texts)], pa.string()),
    }
    signals = measure(pa.RecordBatch.from_pydict(columns), families=families)
    return signals, [rule for rule in rules if rule.signal not in without]


def objected(name, texts, urls=None, *, without=()):
    """Give, for each text, the rules of a set that object, by name."""
    signals, rules = signals_and_rules(name, texts, urls, without=without)
    ids = pa.array([i.to_bytes(16, "big") for i in range(len(texts))], pa.binary(16))
    batch = {"id": ids, "gate": pa.nulls(len(texts), pa.string())}
    batch |= dict(zip(signals.schema.names, signals.columns, strict=True))
    out = screen(pa.RecordBatch.from_pydict(batch), rules=rules)
    return [{_plain(rule) for rule in row} for row in out.column("objections").to_pylist()]


def _plain(rule):
    rule = rule.removeprefix("screen:")
    return "kuten_distance" if rule.startswith("kuten_distance.") else rule


def compare(got, want, texts):
    """Compare objections text by text; a share of nothing is an objection of its own here, and none there."""
    assert len(got) == len(want)
    every = [rules for rules in want if rules is not None]
    for rule in set().union(*every):
        assert not all(rule in rules for rules in every), rule
    for mine, theirs, text in zip(got, want, texts, strict=True):
        if theirs is None:  # the original fails on it
            assert mine, text[:40]
        else:
            assert {rule for rule in mine if not rule.endswith(".missing")} == theirs - _unmeasured(mine), (
                text[:60]
            )


def _unmeasured(mine):
    """Name the rules that can't object because their signal is missing, which objects instead."""
    signals = [rule.removesuffix(".missing") for rule in mine if rule.endswith(".missing")]
    return {f"{signal}.{bound}" for signal in signals for bound in ("min", "max", "under")}


@pytest.fixture(scope="module")
def built():
    """Build the texts at the edges."""
    return list(edges.edges())


@pytest.mark.slow
@pytest.mark.parametrize("readme", [False, True], ids=["code", "readme"])
def test_swallow(pages, built, readme):
    """The same rules object as in its code, and as its README says."""
    texts = [*pages, *built]
    name = "swallow-v1-readme" if readme else "swallow-v1"
    compare(objected(name, texts), [recipes.swallow(text, readme=readme) for text in texts], texts)


@pytest.mark.slow
def test_swallow_lists(pages, lists):
    """Words and hosts, with stand-ins for its lists."""
    words = [*lists["adult"], *lists["discrimination"], *lists["violence"]]
    texts = [*pages, *edges.with_words(words)]
    urls = [url for _, url in zip(texts, [*edges.urls()] * len(texts), strict=False)]
    want = [recipes.swallow_lists(text, url, words) for text, url in zip(texts, urls, strict=True)]
    compare(objected("swallow-v1-lists", texts, urls), want, texts)


@pytest.mark.slow
@pytest.mark.parametrize("strict", [False, True], ids=["normal", "strict"])
def test_llmjp(pages, built, lists, strict):
    """The same filters object, whichever they are."""
    texts = [*pages, *built, *(text for mine in lists.values() for text in edges.with_words(mine))]
    urls = [url for _, url in zip(texts, [*edges.urls()] * len(texts), strict=False)]
    want = [recipes.llmjp(text, url, lists, strict=strict) for text, url in zip(texts, urls, strict=True)]
    compare(objected("llmjp-v1-strict" if strict else "llmjp-v1", texts, urls), want, texts)


@pytest.mark.slow
def test_hojichar(pages, built, lists):
    """The same filters reject, whichever they are."""
    texts = [*pages, *built, *(text for mine in lists.values() for text in edges.with_words(mine))]
    compare(objected("hojichar-default", texts), [recipes.hojichar(t, lists) for t in texts], texts)


@pytest.mark.slow
def test_gopher(pages, built):
    """The same rules object, with characters for words."""
    texts = [text for text in [*pages, *built] if text.strip()]
    compare(objected("gopher-characters", texts), [recipes.gopher(text) for text in texts], texts)


@pytest.mark.slow
def test_kakehi_ja(pages, built):
    """Ours too means what its file says, the language aside."""
    texts = [text for text in [*pages, *built] if text.strip()]
    got = objected("kakehi-ja", texts, without=("language",))
    compare(got, [recipes.kakehi_ja(text) for text in texts], texts)


@pytest.mark.parametrize(
    "name",
    [
        "swallow-v1",
        "swallow-v1-readme",
        "llmjp-v1",
        "llmjp-v1-strict",
        "hojichar-default",
        "gopher-characters",
        "kakehi-ja",
    ],
)
def test_the_edges_are_at_the_edges(name, built, lists):
    """For every bound of a number some text lies exactly at it, one above it and one below."""
    texts = [*built, *(text for words in lists.values() for text in edges.with_words(words))]
    signals, rules = signals_and_rules(name, texts, [*edges.urls()] * len(texts), without=("language",))
    for rule in rules:
        for bound in [bound for side, bound in rule.bounds().items() if side in NUMBERS]:
            values = signals.column(rule.signal).to_numpy(zero_copy_only=False)
            assert (values < bound).any() or bound == 0, rule
            assert (values > bound).any(), rule
            assert (values == bound).any(), rule


def test_every_shipped_set_is_tested_here():
    """A new set needs its recipe."""
    tested = {"swallow-v1", "swallow-v1-readme", "swallow-v1-lists", "llmjp-v1", "llmjp-v1-strict"}
    assert set(shipped()) == {*tested, "hojichar-default", "gopher-characters", "kakehi-ja", "basic-ja"}
