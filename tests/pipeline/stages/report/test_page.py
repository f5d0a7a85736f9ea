"""The page is whole, safe and the same for the same content."""

from __future__ import annotations

import base64
import hashlib
import os
import pickle
import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from kakehi.pipeline.stages.report.funnel import FunnelRow, funnel
from kakehi.pipeline.stages.report.histogram import Bins
from kakehi.pipeline.stages.report.page import render
from kakehi.pipeline.stages.report.summary import (
    CharsetLine,
    Duplicates,
    Gate,
    Named,
    NormaliseLine,
    PairLine,
    RuleLine,
    Sample,
    SampleGroup,
    SignalLine,
    SourceLine,
    Summary,
    TokenizerLine,
)

HOSTILE = (
    """"'></p></script><script>window.planted = 1</script><img src=x onerror="window.planted = 1">&amp;"""
)

EMPTY = Summary(
    title="empty",
    corpus="empty",
    version="1",
    sources=(),
    repeated_ids=(),
    funnel=tuple(funnel([])),
    rules=(),
    gate=None,
    signals=(),
    charsets=(),
    normalised=(),
    duplicates=None,
    alarms=(),
    tokenizers=(),
    samples=(),
)


def full(said: str = "ことば") -> Summary:
    """Give a page with everything on it, and `said` in every place that takes a text."""
    named = Named(id="00ff", url=said, title=said)
    return Summary(
        title=said,
        corpus=said,
        version="1",
        sources=(
            SourceLine(
                name=said, stage="extract", files=2, shards=1, records=1234567, documents=5, characters=9
            ),
        ),
        funnel=(
            FunnelRow(label="records in", documents=1234567, characters=None, kind="total"),
            FunnelRow(label=f"reject: {said}", documents=-1234562, characters=None, kind="reject"),
            FunnelRow(label="documents", documents=5, characters=9, kind="total"),
            FunnelRow(label=f"drop: {said}", documents=-2, characters=-4, kind="drop"),
            FunnelRow(label="kept", documents=3, characters=5, kind="total"),
            FunnelRow(label=f"tokens ({said})", documents=7, characters=None, kind="tokens"),
        ),
        rules=(RuleLine(name=said, bound=said, objected=2, alone=None, by_source=(2,)),),
        gate=Gate(rejected=1000, sampled=10, would_stay=2),
        signals=(
            SignalLine(
                name=said,
                unit=said,
                definition=said,
                kept=Bins.of(np.array([0.5, 0.6])),
                dropped=Bins.of(np.array([0.1])),
                missing=2,
                bounds=(("min", 0.3), ("max", 0.9)),
            ),
        ),
        charsets=(CharsetLine(codec=said, codec_from=said, documents=5, replaced_documents=1, replaced=3),),
        normalised=(NormaliseLine(rule=said, fired=7, by_source=(7,)),),
        duplicates=Duplicates(
            exact_groups=1,
            exact_copies=1,
            candidates=2,
            near_pairs=1,
            buckets_cut=0,
            clusters_lost=3,
            clusters_lost_documents=7,
            bound=0.8,
            similarities=(*([0] * 70), 1, *([0] * 20), 1, *([0] * 9)),
            examples=(PairLine(similarity=0.91, same=True, a=named, b=named),),
        ),
        repeated_ids=(said,),
        alarms=(said,),
        tokenizers=(
            TokenizerLine(
                name=said,
                documents=3,
                characters=5,
                bytes=15,
                tokens=0,
                byte_tokens=0,
                unknown_tokens=0,
                round_trip_failures=0,
                nfkc_differences=0,
                vocab_size=8000,
                unused_pieces=1,
                longest_pieces=(said,),
            ),
        ),
        samples=(
            SampleGroup(
                verdict=said,
                documents=3,
                samples=(Sample(document=named, source=said, characters=400, beginning=said, decided=said),),
            ),
        ),
    )


class Elements(HTMLParser):
    """Collect what a browser would see: elements with their attributes, scripts, texts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self._open = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag, attrs):
        """Take an element."""
        self.elements.append((tag, dict(attrs)))
        self._open = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag):  # noqa: ARG002 - the parser's signature
        """Take the end of one."""
        self._open = ""

    def handle_data(self, data):
        """Take text."""
        if self._open == "script":
            self.scripts[-1] += data
        else:
            self.texts.append(data)


@pytest.mark.parametrize("summary", [EMPTY, full(), full(HOSTILE)], ids=["empty", "full", "hostile"])
def test_nothing_is_loaded(summary: Summary) -> None:
    """No element names anything outside the page, and no style does."""
    page = render(summary)
    found = Elements(page)
    for tag, attributes in found.elements:
        assert tag not in {"link", "img", "iframe", "base", "object", "embed", "form"}
        assert not attributes.keys() & {"src", "srcset", "data", "action", "background", "poster"}
        assert (attributes.get("href") or "#").startswith("#")
    style = page[page.index("<style>") : page.index("</style>")]
    assert "url(" not in style
    assert "@import" not in style


def test_texts_are_shown_and_not_run() -> None:
    """A text that looks like a page is a text in every place that takes one."""
    found = Elements(render(full(HOSTILE)))
    assert [tag for tag, _ in found.elements].count("script") == 3
    assert not any(name.startswith("on") for _, attributes in found.elements for name in attributes)
    assert sum(HOSTILE in text for text in found.texts) >= 15
    assert any(attributes.get("title") == HOSTILE for _, attributes in found.elements)


def test_the_policy_names_the_scripts_by_digest() -> None:
    """A browser runs the two scripts of the page and no other, and asks nobody for anything."""
    found = Elements(render(full()))
    [policy] = [attributes["content"] or "" for _, attributes in found.elements if "http-equiv" in attributes]
    digests = [
        base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in found.scripts[1:]
    ]
    assert re.findall(r"'sha256-([^']*)'", policy) == digests
    assert policy.startswith("default-src 'none';")
    assert "unsafe-eval" not in policy


@pytest.mark.slow
def test_the_same_content_is_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    """Two processes with different hash seeds write what this one writes, a second time too."""
    (tmp_path / "summary").write_bytes(pickle.dumps(full()))
    program = (
        "import hashlib, pickle, sys; from kakehi.pipeline.stages.report.page import render;"
        "summary = pickle.loads(open(sys.argv[1], 'rb').read());"
        "print(hashlib.sha256(render(summary).encode()).hexdigest())"
    )
    render(replace(full(), signals=()))
    wanted = {hashlib.sha256(render(full()).encode()).hexdigest() for _ in range(2)}
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", program, tmp_path / "summary"],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        wanted.add(done.stdout.strip())
    assert len(wanted) == 1


def test_an_empty_corpus_has_a_page() -> None:
    """Nothing in, nothing measured, nothing found: each section says so."""
    page = " ".join(Elements(render(EMPTY)).texts)
    for said in ("Nothing was measured", "No tokenizer was trained", "There are no documents"):
        assert said in page
    assert "nan" not in page.lower()


def test_numbers_are_separated_and_shares_are_of_the_whole() -> None:
    """Thousands are separated; minus is a minus sign; an evaluation of nothing is a dash."""
    page = render(full())
    assert "1,234,567" in page
    assert "−1,234,562" in page
    assert "60.0 % of documents" in page
    assert "–</td>" in page


@pytest.mark.parametrize(
    ("sampled", "stay", "wanted"),
    [(10, 2, (200, 57, 510)), (4, 0, (0, 0, 490)), (1000, 1000, (1000, 996, 1000))],
)
def test_the_gate_is_estimated_with_an_interval(
    sampled: int, stay: int, wanted: tuple[int, int, int]
) -> None:
    """Wilson's interval, as in tables: 2 of 10 is 5.7 % to 51.0 %, 0 of 4 is 0 to 49.0 %."""
    assert Gate(rejected=1000, sampled=sampled, would_stay=stay).lost == wanted
