"""withdraw: a verdict at any later time; nothing is extracted again, and a finished pack says where it holds it."""

import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.stages.withdraw import withdraw
from kakehi.pipeline.storage.schemas import DOCUMENTS

MANIFEST = """\
corpus: c
sources:
  web: {{extract: {{files: "*.warc.gz"}}}}
withdraw: {withdraw}
dedupe:
train: {{vocab_size: 400}}
encode: {{eod: </s>}}
pack: {{sequence_tokens: 32, layout: stock}}
"""


def batch(make, *consent: list[str] | None) -> pa.RecordBatch:
    made = make.documents([make.text(number) for number in range(len(consent))])
    at = DOCUMENTS.get_field_index("consent")
    return made.set_column(at, DOCUMENTS.field("consent"), pa.array(consent, pa.list_(pa.string())))


def test_a_record_own_words_object_as_far_as_they_are_honoured(make):
    """Those that allow, and those that are left out, do not."""
    rows = batch(
        make,
        None,
        ["allowed by meta-robots: all"],
        ["allowed by tdm-header: TDM-Reservation: 0", "forbidden by meta-robots: noindex"],
        ["forbidden by tdm-meta: 1"],
    )
    assert withdraw(rows).column("verdict").to_pylist() == [
        None,
        None,
        "withdraw:meta-robots",
        "withdraw:tdm-meta",
    ]
    assert withdraw(rows).column("entry")[2].as_py() == "forbidden by meta-robots: noindex"
    assert withdraw(rows, honour=("tdm-meta",)).column("verdict").to_pylist() == [None] * 3 + [
        "withdraw:tdm-meta"
    ]


@pytest.fixture
def run(make, kakehi, tmp_path):
    """Give a function that runs a corpus of six hosts with these parameters of `withdraw`."""
    for host in "abcdef":
        texts = [make.page(f"https://{host}.example/{page}") for page in range(4)]
        make.warc(tmp_path / f"{host}.warc.gz", texts)
    marks = {
        "head": ("https://m.example/head", '<meta name="GPTBot" content="noindex">', ""),
        "http": ("https://m.example/http", "", "X-Robots-Tag: noai\r\nx-robots-tag: otherbot: noindex\r\n"),
        "free": ("https://m.example/free", '<meta name="robots" content="index">', "TDM-Reservation: 0\r\n"),
    }
    pages = []
    for url, head, header in marks.values():
        kind = f"text/html; charset=UTF-8\r\n{header}".removesuffix("\r\n")
        pages.append(make.response(url, make.html(make.text(url), head=head).encode(), kind=kind))
    make.warc(tmp_path / "m.warc.gz", pages)

    def run(parameters: str):
        manifest = make.file(tmp_path / "m.yaml", MANIFEST.format(withdraw=parameters))
        said = kakehi("run", manifest, "--work", tmp_path / "w")
        assert said.code == 0, said.err
        return said, manifest

    return run


def test_a_list_later_redoes_what_comes_after_and_nothing_is_extracted_again(run, make, kakehi, tmp_path):
    """The funnel and `explain` say so; the tokens that a pack made before holds of it are listed; the new one has none."""
    listed = make.file(tmp_path / "out.txt", "a.example\nhttps://b.example/1\nhttps://c.example/*\n")
    _, manifest = run("{honour: []}")
    [before] = (tmp_path / "w" / "pack").glob("*")
    said, _ = run("{listed: out.txt, honour: []}")
    steps = {line.split()[0] for line in said.err.splitlines() if " run " in line}
    assert "withdraw" in steps
    assert not steps & {"extract", "exact", "sign", "pair"}
    lines = [line.split() for line in said.out.splitlines()]
    assert ["drop:", "withdraw:host", "-4"] in [line[:3] for line in lines]
    assert ["drop:", "withdraw:url", "-5"] in [line[:3] for line in lines]
    told = kakehi("explain", manifest, "https://a.example/2", "--work", tmp_path / "w").out
    assert "withdraw    objects: withdraw:host, a.example" in told
    [after] = set((tmp_path / "w" / "pack").glob("*")) - {before}
    prefix = "c_text_document"
    found = json.loads(kakehi("lookup", before / prefix, "--withdrawn", listed).out)
    assert sorted((one["entry"], one["url"]) for one in found) == [
        *(("a.example", f"https://a.example/{page}") for page in range(4)),
        ("https://b.example/1", "https://b.example/1"),
        *(("https://c.example/*", f"https://c.example/{page}") for page in range(4)),
    ]
    pieces = pq.read_table(before / f"{prefix}.provenance.parquet").num_rows
    assert 0 < sum(len(one["pieces"]) for one in found) < pieces
    for one in found:
        assert (
            one["pieces"]
            == json.loads(kakehi("lookup", before / prefix, "--document", one["id"]).out)[0]["pieces"]
        )
    assert json.loads(kakehi("lookup", after / prefix, "--withdrawn", listed).out) == []


def test_what_archives_carry_is_honoured(run, kakehi, tmp_path):
    """Headers and head of the records themselves, and of theirs what speaks to us."""
    said, manifest = run("")
    lines = [line.split()[:3] for line in said.out.splitlines()]
    assert ["drop:", "withdraw:meta-robots", "-1"] in lines
    assert ["drop:", "withdraw:x-robots-tag", "-1"] in lines
    told = kakehi("explain", manifest, "https://m.example/http", "--work", tmp_path / "w").out
    assert "consent     forbidden by x-robots-tag: X-Robots-Tag: noai" in told
    assert "withdraw    objects: withdraw:x-robots-tag, forbidden by x-robots-tag: X-Robots-Tag: noai" in told
    told = kakehi("explain", manifest, "https://m.example/free", "--work", tmp_path / "w").out
    assert "consent     allowed by tdm-header: TDM-Reservation: 0" in told
    assert "objects" not in told
