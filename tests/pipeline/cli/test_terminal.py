"""No command passes on what would steer a terminal."""

import json
import re

import pytest

STEERS = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
EVIL = "\x1b]0;owned\x07\x9b31m\x7f\u202egpj.exe\u2066\u200f\u061c"


@pytest.mark.slow
def test_text_of_data_is_shown_not_obeyed(kakehi, make, tmp_path, monkeypatch):
    """Titles, URLs, ids, file names, options: from every command, on both streams, and in the report."""
    monkeypatch.chdir(tmp_path)
    name = f"{EVIL}.jsonl"
    url = f"http://a.example/{EVIL}\ntitle       forged"
    rows = [
        {"id": EVIL, "url": url, "title": f"<b>{EVIL}", "text": make.text(("a", 1), 30) + EVIL},
        {"id": "b", "url": EVIL, "title": EVIL, "text": 7},
    ]
    make.jsonl(tmp_path / name, rows)
    with (tmp_path / name).open("a") as file:
        file.write(EVIL + "\n")
    manifest = make.file(
        tmp_path / "m.yaml",
        'corpus: c\nsources: {t: {ingest: {files: "*.jsonl", fields: {text: text, id: id, url: url, title: title}}}}\n'
        "measure: [script]\nscreen: {all: []}\nexport: {}\nreport: {}\n",
    )
    work = tmp_path / "work"
    told = [
        kakehi("check", manifest),
        kakehi("plan", manifest, "--work", work),
        kakehi("run", manifest, "--work", work),
        kakehi("status", "--work", work),
        kakehi("explain", manifest, EVIL, "--work", work),
        kakehi("explain", manifest, url, "--work", work),
        kakehi("explain", manifest, "x" + EVIL, "--work", work),
        kakehi("report", manifest, "--work", work),
        kakehi("clean", manifest, "--work", work),
        kakehi("check", tmp_path / EVIL),
        kakehi("plan", manifest, "--work", work, f"--{EVIL}"),
    ]
    for said in told:
        assert not STEERS.search(said.out + said.err), (said.out, said.err)
    assert told[2].code == 0, told[2].err
    assert "\\x1b]0;owned\\x07\\x9b31m\\x7f\\u202egpj.exe" in told[5].out
    assert "\ntitle       forged" not in told[5].out
    [page] = work.glob("report/*/report.html")
    text = page.read_text()
    assert "owned" in text
    assert not STEERS.search(re.sub(r"<script.*?</script>", "", text, flags=re.DOTALL))


def test_json_is_the_same_value_in_other_letters(kakehi, make, packed_runs):
    """What `lookup` prints is JSON with its own escapes."""
    said = kakehi("lookup", packed_runs["lanes"] / "c_text_document", "--token", 5)
    assert said.code == 0, said.err
    assert json.loads(said.out)["source"] in {"a", "b"}
