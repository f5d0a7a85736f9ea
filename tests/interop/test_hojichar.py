"""HojiChar's own filters reject what the rule set hojichar-default objects to, filter by filter."""

import pytest

from tests.manifests import edges, test_rules

filters = pytest.importorskip("hojichar.filters.document_filters")
Document = pytest.importorskip("hojichar").Document

#: The rule of the set that stands for a filter.
FILTERS = {
    "DiscardAdultContentJa": "hojichar_adult_hits.max",
    "DiscardAdultContentEn": "hojichar_adult_en_hits.max",
    "DiscardDiscriminationContentJa": "hojichar_discrimination_hits.max",
    "DiscardViolenceContentJa": "hojichar_violence_hits.max",
    "DiscardBBSComments": "hojichar_bbs_marks.max",
    "DiscardAds": "hojichar_ads_hits.max",
    "AcceptJapanese": "leading_kana.min",
    "DiscardRareKuten": "kuten_distance",
    "CharRepetitionRatioFilter": "frequent_5gram_share.under",
    "SingleCharacterRepetitionFilter": "longest_run.under",
    "DiscardTooManyEndingEllipsis": "hojichar_ellipsis_share.max",
    "DiscardTooShortLines": "hojichar_short_line_share.max",
}
pages = test_rules.pages


@pytest.fixture(scope="module")
def verdicts(pages):
    """Give texts with the rules that object: real pages, the edges, and hits of HojiChar's own lists."""
    folder = filters.BASE_PATH / "dict"
    words = [path.read_text(encoding="utf-8").split() for path in sorted(folder.glob("*_ja.txt"))]
    texts = [*pages, *edges.edges(), *(text for mine in words for text in edges.with_words(mine[:40]))]
    return texts, test_rules.objected("hojichar-default", texts)


@pytest.mark.parametrize("name", FILTERS)
def test_filter_rejects_what_its_rule_objects_to(verdicts, name):
    """One filter of HojiChar's against one rule, on every text."""
    texts, got = verdicts
    one = getattr(filters, name)()
    for text, rules in zip(texts, got, strict=True):
        assert one.apply(Document(text)).is_rejected == (FILTERS[name] in rules), text[:60]
    assert any(FILTERS[name] in rules for rules in got)
