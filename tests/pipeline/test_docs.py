"""The pages in docs/ and the README say what the code says: every parameter, signal, reason, verdict and command."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
from pydantic import BaseModel
from pydantic_core import PydanticUndefined
from ruamel.yaml import YAML

from kakehi.filters.page import html
from kakehi.filters.signals import FAMILIES
from kakehi.pipeline import errors
from kakehi.pipeline.cli.main import cli
from kakehi.pipeline.engines.machine import TLS, Limits, Machine
from kakehi.pipeline.manifest.model import Selection
from kakehi.pipeline.sources.archive.fetch_shard import Server
from kakehi.pipeline.sources.archive.index import Select
from kakehi.pipeline.sources.crawl import parameters as crawl
from kakehi.pipeline.sources.documents import Normalisation
from kakehi.pipeline.sources.formats import records
from kakehi.pipeline.stages.catalogue import STAGES, TOGETHER
from kakehi.pipeline.stages.dedupe.against import OF_RUN
from kakehi.pipeline.stages.dedupe.verdicts import EXACT, NEAR
from kakehi.pipeline.stages.extract import GATE
from kakehi.pipeline.stages.pack.index import Job
from kakehi.pipeline.stages.pack.job_tokenizer import JobTokenizer
from kakehi.pipeline.stages.pack.schedule import Schedule
from kakehi.pipeline.stages.screen import Threshold
from kakehi.pipeline.stages.stage import parameter_model
from kakehi.pipeline.stages.withdraw import WITHDRAW
from kakehi.pipeline.stages.withdrawals import Kind
from tests.generators.normalisation_page import page as rules_page

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

#: Reasons that are given where documents are made, beside those of the readers and of the parser.
MADE_LATER = ("language", "no_text", "skipped")

#: Section of manifest.md to the model whose keys it lists.
MODELS: dict[str, type[BaseModel]] = {
    **{stage.name: stage.model() for stage in STAGES},
    "what a source reads": Selection,
    "select": Select,
    "server": Server,
    "normalise": Normalisation,
    "a threshold": Threshold,
    "The machine file": Machine,
    "certificates": TLS,
    "limits": Limits,
    "a job": Job,
    "the tokenizer of a job": JobTokenizer,
    "the schedule of a job": Schedule,
    "scope of a crawl": crawl.Scope,
    "budget of a crawl": crawl.Budget,
    "pace of a crawl": crawl.Pace,
    "limits of a crawl": crawl.Limits,
}


def page(name: str) -> str:
    return (DOCS / name).read_text(encoding="utf-8")


def section(text: str, title: str) -> str:
    """Cut the part under a heading, down to the next heading of any level."""
    [found] = re.findall(rf"^#+ {re.escape(title)}\n(.*?)(?=^#|\Z)", text, re.MULTILINE | re.DOTALL)
    return str(found)


def rows(text: str) -> Iterator[list[str]]:
    """Yield the cells of table rows whose first cell is code."""
    for line in text.splitlines():
        if line.startswith("| `"):
            yield [cell.strip().strip("`") for cell in line.strip("|").split(" |")]


def plain(value: object) -> object:
    if isinstance(value, BaseModel):
        return plain(value.model_dump())
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value


def defaults(model: type[BaseModel]) -> dict[str, object]:
    return {
        field.alias or name: "required" if field.default is PydanticUndefined else plain(field.default)
        for name, field in model.model_fields.items()
        if (model, name) != (Threshold, "signal")  # the key in front of the bounds
    }


@pytest.mark.parametrize("title", MODELS)
def test_every_parameter_is_listed_with_its_default(title: str) -> None:
    """A stage's section has its keys, no others, and their defaults."""
    found = {
        key: YAML(typ="safe").load(default)
        for key, _, default, _ in rows(section(page("manifest.md"), title))
    }
    assert found == defaults(MODELS[title])


def test_every_key_of_the_manifest_is_explained() -> None:
    """Stages and the keys that stand for several have a heading of their own."""
    headings = set(re.findall(r"^#+ (.*)$", page("manifest.md"), re.MULTILINE))
    assert {stage.name for stage in STAGES} | TOGETHER.keys() <= headings


def test_the_page_of_normalisation_is_fresh() -> None:
    """It is made from the table of rules: python -m tests.generators.normalisation_page > docs/normalisation.md."""
    assert page("normalisation.md") == rules_page()


@pytest.mark.parametrize("name", FAMILIES)
def test_every_signal_is_listed(name: str) -> None:
    """A family's table has its signals with type, unit and definition, word for word; then its parameters."""
    family = FAMILIES[name]
    found = list(rows(section(page("signals.md"), name)))
    signals = [[s.name, str(s.dtype), s.unit, s.source] for s in family.signals]
    assert found[: len(signals)] == signals
    parameters: dict[str, Any] = {
        key: YAML(typ="safe").load(value) for key, _, value, _ in found[len(signals) :]
    }
    assert parameters == defaults(parameter_model(family.measure))


def test_every_reason_of_a_reject_is_listed() -> None:
    """Reasons of readers, of the parser and of what comes after: each with a meaning and a way out."""
    found = list(rows(section(page("rejects.md"), "Reasons of rejects")))
    assert {name for name, *_ in found} == {*get_args(records.Reason), *get_args(html.Reason), *MADE_LATER}
    assert all(meaning and advice for _, meaning, advice in found)


def test_every_verdict_is_listed() -> None:
    """Verdicts of the gate, of every kind of bound, of withdrawal, and of deduplication."""
    bounds = [
        field.alias or name
        for name, field in Threshold.model_fields.items()
        if name not in {"signal", "missing", "keep"}
    ]
    withdrawn = {f"{WITHDRAW}{kind}" for kind in (*get_args(Kind), "SOURCE")}
    wanted = {
        GATE,
        EXACT,
        NEAR,
        f"{OF_RUN}RUN",
        *withdrawn,
        *(f"screen:SIGNAL.{rule}" for rule in [*bounds, "missing"]),
    }
    assert {name for name, *_ in rows(section(page("rejects.md"), "Verdicts"))} == wanted


def test_no_reason_is_made_up_elsewhere() -> None:
    """The sources name no reason of a reject that the page lacks."""
    said = set()
    for path in (ROOT / "pipeline").rglob("*.py"):
        said |= set(
            re.findall(
                r'reject\(\s*place, "(\w+)"|_count_reject\("(\w+)"\)', path.read_text(encoding="utf-8")
            )
        )
    assert {name for pair in said for name in pair if name} == set(MADE_LATER)


def test_readme_names_every_command_and_exit_code() -> None:
    """Commands in the table of commands, exit codes in the table of errors."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in cli.commands if f"`kakehi {name}" not in readme] == []
    kinds = [
        kind
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.CorpusError)
    ]
    lines = {line.split("|")[1].strip() for line in readme.splitlines() if re.match(r"\| \d+ \|", line)}
    assert {str(kind.exit_code) for kind in kinds} <= lines


@pytest.mark.parametrize(
    "path", [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md"))], ids=lambda p: p.name
)
def test_links_lead_somewhere(path: Path) -> None:
    """Relative links name files of the repository, and anchors name headings."""
    for target, anchor in re.findall(
        r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", path.read_text(encoding="utf-8")
    ):
        file = (path.parent / target).resolve() if target else path
        assert file.exists(), f"{path.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
            assert anchor in slugs, f"{path.name} links to {target}#{anchor}"


def test_architecture_is_one_page() -> None:
    """A reader finishes it: 12 kB, and a glossary of at most thirty words."""
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    assert len(text.encode()) <= 12_000
    words = [line for line in section(text, "Glossary").splitlines() if line.startswith("| ")][1:]
    assert 10 < len(words) <= 30


def test_decisions_are_numbered_dated_and_listed() -> None:
    """Each has its number, date and status, and stands in the list once."""
    files = sorted(path for path in (DOCS / "decisions").glob("*.md") if path.name != "README.md")
    assert [int(path.name[:4]) for path in files] == list(range(1, len(files) + 1))
    listed = re.findall(r"\]\((\d{4}-[^)]*)\)", page("decisions/README.md"))
    assert listed == [path.name for path in files]
    for path in files:
        title, _, date, status = path.read_text(encoding="utf-8").splitlines()[:4]
        assert re.match(rf"# {int(path.name[:4])}\. \S", title)
        assert re.fullmatch(r"- Date: 20\d\d-\d\d-\d\d", date)
        assert re.fullmatch(r"- Status: (accepted|replaced by \[\d+\]\(\d{4}-.*\.md\))", status)


def test_the_signatures_in_the_docs_compare() -> None:
    """The code block of manifest.md estimates a similarity, and finds the text that is like the first."""
    names: dict[str, Any] = {}
    [block] = re.findall(r"```python\n(.*?)```", page("manifest.md"), re.DOTALL)
    exec(block, names)  # noqa: S102 - our own page
    assert 0.3 < names["estimate"] == names["first"].jaccard(names["second"]) < 0.7
    assert names["found"] == ["first"]


def test_the_family_in_the_docs_runs(kakehi, make, tmp_path, monkeypatch) -> None:
    """The code block, the manifest and the command of own-family.md do what the page says."""
    blocks = dict(re.findall(r"```(python|yaml)\n(.*?)```", page("own-family.md"), re.DOTALL))
    make.file(tmp_path / "politeness.py", blocks["python"])
    manifest = make.file(tmp_path / "polite.yaml", blocks["yaml"])
    texts = ["これは本です。よく読みます。", "これは本である。よく読む。", "静かな夜だ。星が見えますね。"]
    make.jsonl(tmp_path / "mine" / "a.jsonl", ({"text": text} for text in texts))
    monkeypatch.syspath_prepend(tmp_path)
    said = kakehi("run", manifest, "--work", tmp_path / "work")
    assert (said.code, said.err) == (0, said.err)
    lines = {tuple(line.split()[:-1]) for line in said.out.splitlines()}
    assert ("drop:", "screen:polite_share.min", "-1") in lines
    assert ("kept", "2") in lines


def test_the_family_in_the_docs_keeps_the_contract() -> None:
    """What is asked of a family is true of the example: two parts are the whole, nulls are empty texts."""
    import pyarrow as pa  # noqa: PLC0415 - only here

    names: dict[str, Any] = {}
    [block] = re.findall(r"```python\n(.*?)```", page("own-family.md"), re.DOTALL)
    exec(block, names)  # noqa: S102 - our own page
    family = names["POLITENESS"]
    texts = pa.array(["です。ます。でした。", "", None, "だ。"], pa.large_string())
    whole = family.measure(texts)
    assert [array.type for array in whole] == [signal.dtype for signal in family.signals]
    parts = [family.measure(texts.slice(0, 1)), family.measure(texts.slice(1))]
    joined = [pa.concat_arrays(pair) for pair in zip(*parts, strict=True)]
    assert repr([a.to_pylist() for a in whole]) == repr([a.to_pylist() for a in joined])
    assert whole[0].to_pylist() == [3, 0, 0, 0]
    assert family.measure(texts.slice(2, 1))[0].equals(family.measure(texts.slice(1, 1))[0])
