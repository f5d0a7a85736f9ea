"""Files that number their rows from 0 each: said on the terminal, in the report, by `explain` and `lookup`."""

import json

import pytest

from kakehi.pipeline.sources.documents import document_id

FIELDS = "{text: text, id: id}"


@pytest.fixture
def corpus(make, tmp_path):
    """Write three files of one source that share the ids 0 to 2, and give a maker of manifests."""
    for name, first in (("a", 0), ("b", 0), ("c", 2)):
        rows = [{"id": number, "text": make.text((name, number))} for number in range(first, first + 3)]
        make.jsonl(tmp_path / f"{name}.jsonl", rows)

    def manifest(rest):
        sources = f"sources: {{web: {{ingest: {{files: '*.jsonl', fields: {FIELDS}}}}}}}\n"
        return make.file(tmp_path / "m.yaml", f"corpus: c\n{sources}{rest}")

    return manifest


@pytest.mark.parametrize(
    "rest",
    ["export: {}\n", "dedupe: {}\n", "dedupe: {}\nexport: {}\nreport: {}\n", "export: {}\nreport: {}\n"],
)
def test_a_run_warns_as_it_goes_and_at_its_end(kakehi, corpus, tmp_path, rest):
    """Once each, however many steps count."""
    said = kakehi("run", corpus(rest), "--work", tmp_path / "w")
    assert said.code == 0, said.err
    assert said.err.count("warning: source 'web': 7 documents share their id with others (3 have ") == 2


@pytest.mark.parametrize("rest", ["report: {}\n", "dedupe: {}\nreport: {}\n"])
def test_the_report_says_so(kakehi, corpus, tmp_path, rest):
    """Whether a step before it counted or not."""
    assert kakehi("run", corpus(rest), "--work", tmp_path / "w").code == 0
    [page] = tmp_path.glob("w/report/*/report.html")
    assert "source &#39;web&#39;: 7 documents share their id with others" in page.read_text()


def test_explain_says_how_many_and_shows_them_all(kakehi, corpus, tmp_path):
    """By the input's own id and by ours; an id that is there once is told as before."""
    manifest = corpus("export: {}\n")
    kakehi("run", manifest, "--work", tmp_path / "w")
    said = kakehi("explain", manifest, "2", "--work", tmp_path / "w").out
    assert said.startswith("3 documents have the id 2\n")
    assert said.count("\nrecord ") == 3
    [ours] = {line.split()[1] for line in said.splitlines() if line.startswith("id ")}
    assert kakehi("explain", manifest, ours, "--work", tmp_path / "w").out.startswith(
        f"3 documents have the id {ours}"
    )
    assert kakehi("explain", manifest, "4", "--work", tmp_path / "w").out.startswith("id ")


def test_different_ids_are_not_warned_of(kakehi, make, tmp_path):
    """Nothing is said where every id is its own."""
    make.jsonl(tmp_path / "a.jsonl", [{"id": number, "text": make.text(number)} for number in range(3)])
    manifest = make.file(
        tmp_path / "m.yaml",
        f"corpus: c\nsources: {{web: {{ingest: {{files: '*.jsonl', fields: {FIELDS}}}}}}}\ndedupe: {{}}\nexport: {{}}\n",
    )
    said = kakehi("run", manifest, "--work", tmp_path / "w")
    assert (said.code, said.err.count("warning")) == (0, 0)
    receipt = json.loads(next(tmp_path.glob("w/exact/*/receipt.json")).read_bytes())
    assert receipt["counts"]["repeated_ids"] == 0


def test_lookup_says_how_many_and_shows_them_all(kakehi, corpus, tmp_path):
    """Beside the JSON, so that this still parses."""
    rest = "train: {vocab_size: 400}\nencode: {eod: </s>}\npack: {sequence_tokens: 32, layout: stock, validation_rows: 0}\n"
    said = kakehi("run", corpus(rest), "--work", tmp_path / "w")
    assert said.code == 0, said.err
    [prefix] = tmp_path.glob("w/pack/*/c_text_document.bin")
    ours = document_id("web", "2").hex()
    said = kakehi("lookup", prefix.with_suffix(""), "--document", ours)
    assert said.err == f"3 documents have the name {ours}\n"
    assert [found["id"] for found in json.loads(said.out)] == [ours] * 3
    assert not kakehi("lookup", prefix.with_suffix(""), "--document", document_id("web", "4").hex()).err
