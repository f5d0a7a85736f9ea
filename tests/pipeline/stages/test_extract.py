"""extract: pages become documents, all else rejects, and the gate lets a sample through."""

import pytest

from kakehi.pipeline.errors import ContractError, ParameterError
from kakehi.pipeline.sources.split import Split
from kakehi.pipeline.stages.extract import GATE, STAGE, extract
from kakehi.pipeline.storage.shards import InputFile

U = "https://a.example/"


def rows(make, tmp_path, records, *, limit=None, **parameters):
    """Extract one file; give (documents, rejects, counts)."""
    path = make.warc(tmp_path / "a.warc.gz", records)
    split = Split("web", InputFile(name="a.warc.gz", path=path, size=1, mtime_ns=1), {}, limit)
    found = list(extract(split, **parameters))
    documents = [row for part in found for row in part.documents.to_pylist()]
    rejects = [row for part in found for row in part.rejects.to_pylist()]
    return documents, rejects, {key: n for part in found for key, n in part.counts.items()}


def test_a_page_becomes_a_document(make, tmp_path):
    """Its text, title, host and charset are in the row."""
    [row], rejects, counts = rows(make, tmp_path, [make.page(f"{U}1")], language="ja")
    assert "".join(row["text"].split()) == "".join(make.text(f"{U}1").split())
    assert (row["host"], row["codec"], row["gate"], row["input"]) == ("a.example", "utf-8", None, "a.warc.gz")
    assert row["characters"] == len(row["text"])
    assert not rejects
    assert counts["records"] == counts["documents"] == 1


@pytest.mark.parametrize("one_in", [0, 1])
def test_the_gate_lets_a_sample_through_with_its_objection(make, tmp_path, one_in):
    """A page without kana is a reject, or a document that carries the gate's objection."""
    record = make.response(f"{U}en", make.html("An English page. " * 30, lang="en").encode())
    documents, rejects, counts = rows(make, tmp_path, [record], language="ja", sample_rejects=one_in)
    assert [row["gate"] for row in documents] == [GATE] * one_in
    assert [row["reason"] for row in rejects] == ["language"] * (1 - one_in)
    assert counts["gated"] == one_in


@pytest.mark.parametrize(
    ("text", "codec", "kind"),
    [
        ("Вчера мы ходили в парк и долго гуляли у пруда. ", "koi8_r", "text/html"),
        ("ВЧЕРА МЫ ХОДИЛИ В ПАРК И ДОЛГО ГУЛЯЛИ У ПРУДА. ", "cp1251", "text/html"),
        ("ВЧЕРА МЫ ХОДИЛИ В ПАРК И ДОЛГО ГУЛЯЛИ У ПРУДА. ", "cp1251", "text/html; charset=windows-1251"),
        ("ذهبنا أمس إلى الحديقة ومشينا طويلا قرب البركة. ", "cp1256", "text/html"),
        ("昨天我們去了公園，在池塘邊散步了很久。", "big5", "text/html"),
        ("昨天我们去了公园，在池塘边散步了很久。", "gbk", "text/html; charset=UTF-8"),
    ],
)
def test_the_gate_rejects_what_is_read_as_half_width_kana(make, tmp_path, text, codec, kind):
    """Pages in other languages, declared or not."""
    record = make.response(f"{U}x", f"<p>{text * 20}</p>".encode(codec), kind=kind)
    documents, rejects, _ = rows(make, tmp_path, [record], language="ja", sample_rejects=0)
    assert (documents, [row["reason"] for row in rejects]) == ([], ["language"])


def test_a_declared_one_byte_page_is_read_as_such(make, tmp_path):
    """Capitals of windows-1251, which are half-width kana in Shift_JIS."""
    text = "ВЧЕРА МЫ ХОДИЛИ В ПАРК И ДОЛГО ГУЛЯЛИ У ПРУДА. "
    record = make.response(
        f"{U}x", f"<p>{text * 9}</p>".encode("cp1251"), kind="text/html; charset=windows-1251"
    )
    [row], _, _ = rows(make, tmp_path, [record])
    assert (row["codec"], row["codec_from"], text.strip() in row["text"]) == ("cp1251", "header", True)


def test_without_a_language_there_is_no_gate(make, tmp_path):
    """Every page is extracted."""
    record = make.response(f"{U}en", make.html("An English page. " * 30, lang="en").encode())
    documents, _, _ = rows(make, tmp_path, [record])
    assert documents[0]["gate"] is None


@pytest.mark.parametrize(("ruby", "text"), [("drop", "漢字です。"), ("brackets", "漢字《かんじ》です。")])
def test_ruby(make, tmp_path, ruby, text):
    """The manifest's choice reaches the page."""
    page = "<p><ruby>漢字<rt>かんじ</rt></ruby>です。</p>"
    [row], _, _ = rows(make, tmp_path, [make.response(f"{U}r", page.encode())], ruby=ruby)
    assert row["text"] == text


def test_an_extractor_that_is_missing_is_one_error(monkeypatch):
    """When the plan is made, with the extra that brings it."""
    monkeypatch.setattr(STAGE.run.__module__ + ".find_spec", lambda _: None)
    assert "trafilatura" not in STAGE.libraries_for({"extractor": "resiliparse"})
    with pytest.raises(ParameterError, match=r"kakehi\[precise\]"):
        STAGE.libraries_for({"extractor": "trafilatura"})


def test_plain_text_is_taken_as_it_is(make, tmp_path):
    """Text that only looks like HTML loses nothing."""
    record = make.response(f"{U}t", "a < b の話です".encode(), kind="text/plain; charset=utf-8")
    [row], _, _ = rows(make, tmp_path, [record])
    assert row["text"] == "a < b の話です"


def test_rejects_may_be_only_counted(make, tmp_path):
    """On the web nineteen of twenty are."""
    records = [make.response(f"{U}{i}", b"", status="404 Not Found") for i in range(3)]
    documents, rejects, counts = rows(make, tmp_path, records, rejects="counts")
    assert (documents, rejects) == ([], [])
    assert counts["reject/http_status"] == counts["records"] == 3


def test_limit_counts_records(make, tmp_path):
    """Rejects among them."""
    records = [make.response(f"{U}x", b""), *(make.page(f"{U}{i}") for i in range(4))]
    documents, rejects, _ = rows(make, tmp_path, records, limit=3)
    assert (len(documents), len(rejects)) == (2, 1)


def test_a_dataset_is_not_for_extract():
    """The manifest can't ask for it, so it would be our bug."""
    with pytest.raises(ContractError):
        next(extract(Split("web", None, {}, None)))
