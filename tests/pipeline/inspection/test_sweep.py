"""A sweep counts from signals alone what a run under those rules would do."""

import pyarrow.parquet as pq
import pytest

MANIFEST = """corpus: c
sources:
  a: {ingest: {files: a.jsonl, fields: {text: text, id: id, url: url}}}
  b: {ingest: {files: b.jsonl, fields: {text: text, id: id, url: url}}}
measure: [script, lines]
screen:
  all: [{characters: {min: MIN}}, {kana_share: {min: 0.5}}]
  b: [{sentences: {max: 10}}]
"""


@pytest.fixture(scope="module")
def corpus(make, kakehi, tmp_path_factory):
    """Run a corpus of two sources, and give the manifest, its folder of work and the command."""
    folder = tmp_path_factory.mktemp("sweep")
    rows = [
        {"id": f"{n}", "url": f"https://a.example/{n}", "text": make.text(n, 1 + n % 12)} for n in range(60)
    ]
    rows += [{"id": f"k{n}", "url": None, "text": "漢字漢字漢字。" * n} for n in range(1, 20)]
    make.jsonl(folder / "a.jsonl", rows)
    make.jsonl(folder / "b.jsonl", [{**row, "id": f"b{row['id']}"} for row in rows])
    path = make.file(folder / "m.yaml", MANIFEST.replace("MIN", "100"))
    said = kakehi("run", path, "--work", folder / "work")
    assert said.code == 0, said.err
    return path, folder / "work"


def table(out, title):
    """Give a table's rows by their first cell: from its head to the next blank line."""
    lines = out.splitlines()
    [start] = [i for i, line in enumerate(lines) if line.split()[:1] == [title]]
    rows = lines[start + 1 :]
    rows = rows[: rows.index("")] if "" in rows else rows
    return {line.split()[0]: line.split() for line in rows}


def kept(out, label="kept"):
    """Give the documents of a line of the first table."""
    [line] = [line for line in out.splitlines() if line.startswith(f"{label}  ")]
    return int(line.removeprefix(label).split()[0].replace(",", ""))


def test_costs_are_those_of_the_run(corpus, kakehi):
    """Objections, firsts and kept are what the verdicts say; alone and shared add up to objections."""
    path, work = corpus
    said = kakehi("sweep", path, "--work", work)
    assert said.code == 0, said.err
    [*tables] = sorted(work.glob("screen/*/*/*.parquet"))
    verdicts = [row for file in tables for row in pq.read_table(file).to_pylist()]
    assert kept(said.out) == sum(row["verdict"] is None for row in verdicts)
    costs = table(said.out, "rule")
    for name in ("characters.min", "kana_share.min", "sentences.max"):
        mine = [row for row in verdicts if f"screen:{name}" in row["objections"]]
        first = sum(row["verdict"] == f"screen:{name}" for row in mine)
        alone = sum(len(row["objections"]) == 1 for row in mine)
        _, objects, _, _, *rest = costs[name]
        assert [int(objects), *map(int, rest)] == [len(mine), first, alone, len(mine) - alone]
        assert mine


def test_what_if_is_what_a_run_would_keep(corpus, kakehi, make):
    """Another bound keeps what the changed manifest keeps."""
    path, work = corpus
    said = kakehi("sweep", path, "--work", work, "--set", "characters.min=250", "--set", "sentences.max=null")
    assert said.code == 0, said.err
    text = MANIFEST.replace("MIN", "250").replace("  b: [{sentences: {max: 10}}]\n", "")
    other = make.file(path.parent / "other.yaml", text)
    run = kakehi("run", other, "--work", work, "--until", "screen")
    [line] = [line for line in run.out.splitlines() if line.startswith("kept")]
    assert kept(said.out, "kept, with --set") == int(line.split()[1])
    assert kept(said.out) != int(line.split()[1])


def test_sets_are_compared_with_samples(corpus, kakehi, tmp_path):
    """The corners add up, samples are in theirs, and the files say the same."""
    path, work = corpus
    strict = path.parent / "strict.yaml"
    strict.write_text("rules:\n  - {kana_share: {min: 0.6}}\n", encoding="utf-8")
    said = kakehi(
        "sweep", path, "--work", work, "--compare", "manifest", "strict.yaml", "--to", tmp_path / "to"
    )
    assert said.code == 0, said.err
    corners = pq.read_table(tmp_path / "to" / "corners.parquet").to_pylist()
    assert sum(row["documents"] for row in corners) == 158
    assert all(len(row["samples"]) == min(3, row["documents"]) for row in corners)
    assert sum(row["documents"] for row in corners if row["first_keeps"]) == kept(said.out)
    assert "kept by strict.yaml:" in said.out
    ids = {row["samples"][0].hex() for row in corners if row["samples"]}
    assert all(found in said.out for found in ids)
    again = kakehi(
        "sweep", path, "--work", work, "--compare", "manifest", "strict.yaml", "--to", tmp_path / "to"
    )
    assert again.out == said.out
    curves = pq.read_table(tmp_path / "to" / "curves.parquet").to_pylist()
    assert {row["signal"] for row in curves} == {"characters", "kana_share", "sentences"}
    assert max(row["at_most"] for row in curves if row["signal"] == "kana_share") == 158
    rules = pq.read_table(tmp_path / "to" / "rules.parquet")
    assert rules.column_names == ["rule", "objected", "first", "alone", "documents"]


def test_a_signal_without_a_rule_is_drawn(corpus, kakehi):
    """Values that so many percent do not exceed; a new bound on it is tried as well."""
    path, work = corpus
    said = kakehi(
        "sweep", path, "--work", work, "--signal", "katakana_share", "--set", "katakana_share.max=0.2"
    )
    assert said.code == 0, said.err
    values = table(said.out, "signal")["katakana_share"]
    numbers = [float(v) for v in values[1:10]]
    assert numbers == sorted(numbers)
    assert "kept, with --set" in said.out


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["--set", "kana_share=1"], 2, "--set: got 'kana_share=1', wanted SIGNAL.BOUND=VALUE"),
        (["--set", "latin.max=null"], 2, "no rule is on 'latin'"),
        (["--set", "kana_share.min=x"], 2, "wanted a number or null behind ="),
        (["--set", "kana_shar.min=1"], 2, "'kana_shar' is not measured; did you mean 'kana_share'?"),
        (["--set", "language.min=1"], 2, "'language' is not measured; known: bullet_line_share"),
        (["--compare", "manifest", "swalow-v1"], 2, "unknown rule set 'swalow-v1'; did you mean 'swallow-v1"),
        (["--compare", "manifest", "swallow-v1"], 2, "is not measured"),
        (["--signal", "nothing"], 2, "'nothing' is not measured"),
    ],
)
def test_what_cant_be_asked(corpus, kakehi, arguments, code, says):
    """One message with what there is."""
    path, work = corpus
    said = kakehi("sweep", path, "--work", work, *arguments)
    assert said.code == code
    assert says in said.err


def test_before_anything_is_measured(corpus, kakehi, make, tmp_path):
    """It says what to run; without a screen it says so."""
    path, work = corpus
    said = kakehi("sweep", path, "--work", tmp_path / "none")
    assert said.code == 3
    assert "sweep: measure of 'a' is not done" in said.err
    assert "--until measure" in said.err
    bare = make.file(path.parent / "bare.yaml", MANIFEST.partition("screen:")[0])
    said = kakehi("sweep", bare, "--work", work)
    assert said.code == 2
    assert "the manifest has no screen" in said.err


def test_an_empty_corpus_and_no_rules(kakehi, make, tmp_path):
    """Nothing is divided by nothing."""
    make.jsonl(tmp_path / "a.jsonl", [{"text": ""}])
    text = "corpus: c\nsources: {a: {ingest: {files: a.jsonl, allow_empty: true}}}\nmeasure: [lines]\nscreen: {all: []}\n"
    path = make.file(tmp_path / "m.yaml", text)
    assert kakehi("run", path, "--work", tmp_path / "work").code == 0
    said = kakehi(
        "sweep", path, "--work", tmp_path / "work", "--signal", "kuten_distance", "--to", tmp_path / "to"
    )
    assert said.code == 0, said.err
    assert "kuten_distance" in said.out


def test_the_page_says_what_the_terminal_says(corpus, kakehi, tmp_path):
    """One file that loads nothing: rules, the change, curves with their bounds, corners with samples."""
    path, work = corpus
    (path.parent / "page.yaml").write_text("rules: [{kana_share: {min: 0.7}}]\n", encoding="utf-8")
    line = ["--set", "characters.min=200", "--compare", "manifest", "page.yaml", "--to", tmp_path / "s"]
    said = kakehi("sweep", path, "--work", work, *line)
    assert said.code == 0, said.err
    assert said.out.splitlines()[-1].endswith("sweep.html")
    page = (tmp_path / "s" / "sweep.html").read_text(encoding="utf-8")
    for cell in ("screen:kana_share.min", "<code>characters.min=200</code>", "page.yaml drops"):
        assert cell in page
    costs = table(said.out, "rule")["kana_share.min"]
    assert f'<td class="n">{costs[1]}</td>' in page
    assert page.count('id="chart-retention-') == 3
    for outside in ("src=", 'href="http', "@import", "url("):
        assert outside not in page.partition('<script type="application/json"')[0].replace('href="#', "")
    again = kakehi("sweep", path, "--work", work, *line[:-1], tmp_path / "again")
    assert again.code == 0
    assert (tmp_path / "again" / "sweep.html").read_bytes() == page.encode()
