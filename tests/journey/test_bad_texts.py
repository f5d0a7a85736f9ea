"""Texts that break things are measured by every family and screened; none is lost and none stops the run."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kakehi.filters.signals import FAMILIES

pytestmark = pytest.mark.slow

WORDS = Path(__file__).parents[1] / "data" / "words.txt"

TEXTS = {
    "empty": "",
    "blank": "\n \u3000\n",
    "null": None,
    "one long line": "吾輩は猫である。名前はまだ無い。" * 220_000,
    "one letter": "あ" * 400_000,
    "emoji": "😀👨\u200d👩\u200d👧🏽" * 2_000,
    "marks": "。！？" * 500,
    "digits": "1" * 500_000,
    "combining": "か\u3099" * 500 + "\u200d" * 500,
    "one": "あ",
    "good": "これはよい文である。" * 30,
}

MANIFEST = f"""corpus: bad
sources:
  rows: {{ingest: {{files: rows.parquet, fields: {{text: text, id: id, url: url}}}}}}
  lines: {{ingest: {{files: lines.jsonl, fields: {{text: text, id: id}}}}}}
measure: [{", ".join(name for name in FAMILIES if name != "wordlists")}, ng: {{wordlists: {{words: '{WORDS}'}}}}]
screen:
  all: [basic-ja, gopher-characters, {{blocked: {{max: 0}}}}, {{ng_hit_share: {{under: 0.5, keep: 0.5}}}}]
report:
"""


@pytest.fixture(scope="module")
def ran(make, kakehi, tmp_path_factory):
    """Run the texts as Parquet, and lone surrogates as JSON lines."""
    folder = tmp_path_factory.mktemp("bad")
    columns = {
        "id": list(TEXTS),
        "url": pa.array([None] * len(TEXTS), pa.string()),
        "text": list(TEXTS.values()),
    }
    pq.write_table(pa.table(columns), folder / "rows.parquet")
    lone = '{"id": "lone", "text": "\\ud83dこれは\\ude00文である。"}\n{"id": "pair", "text": "\\ud83d\\ude00文である。"}\n'
    make.file(folder / "lines.jsonl", lone)
    path = make.file(folder / "m.yaml", MANIFEST)
    said = kakehi("run", path, "--work", folder / "work")
    assert said.code == 0, said.err
    return folder, said


def test_every_record_is_accounted_for(ran):
    """Records are rejects and documents, documents are drops and kept."""
    _, said = ran
    counts = Counter()
    for line in said.out.splitlines():
        kind, number = (
            line.split()[0],
            [part for part in line.split() if part.lstrip("-").replace(",", "").isdigit()],
        )
        counts[kind.rstrip(":")] += int(number[0].replace(",", "")) if number else 0
    assert counts["records"] == len(TEXTS) + 2
    assert counts["records"] + counts["reject"] == counts["documents"]
    assert counts["documents"] + counts["drop"] == counts["kept"]
    assert counts["documents"] >= 8


def test_no_url_is_missing_and_not_blocked(ran):
    """Without an address nothing can be said, and the threshold says what then."""
    folder, _ = ran
    [signals] = (folder / "work" / "measure").glob("*/rows/*.parquet")
    table = pq.read_table(signals)
    for name in ("blocked", "top_level_domain", "registrable_domain", "blocked_by"):
        assert table.column(name).null_count == len(table)
    [verdicts] = (folder / "work" / "screen").glob("*/rows/*.parquet")
    assert all("screen:blocked.missing" in row for row in pq.read_table(verdicts)["objections"].to_pylist())


def test_numbers_are_numbers(ran):
    """No share is negative or infinite, whatever the text."""
    folder, _ = ran
    for path in (folder / "work" / "measure").glob("*/*/*.parquet"):
        table = pq.read_table(path)
        for name in table.schema.names:
            values = [value for value in table.column(name).to_pylist() if isinstance(value, (int, float))]
            assert all(value != value or 0 <= value < 1e9 for value in values), name  # noqa: PLR0124 - NaN


def test_sweep_reads_them_too(ran, kakehi):
    """Nothing to divide by, nulls and all."""
    folder, _ = ran
    said = kakehi("sweep", folder / "m.yaml", "--work", folder / "work", "--compare", "manifest", "basic-ja")
    assert said.code == 0, said.err
