"""The import rule: leaves know no trunk, and each heavy part has one door."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(path for top in ("filters", "tokenizer", "pipeline") for path in (ROOT / top).rglob("*.py"))
PURE = ["planner", "addresses"]
DOORS = {
    "dask": "pipeline/engines/",
    "distributed": "pipeline/engines/",
    "scrapy": "pipeline/crawl/",
    "fugashi": "tokenizer/words.py",
    "sentencepiece": "tokenizer/",
    "resiliparse": "filters/cleaning/",
    "fastwarc": "pipeline/formats/",
    "datasets": "pipeline/formats/",
    "bokeh": "pipeline/report/",
    "pandas": "nowhere",
}


def imported(path: Path) -> Iterator[str]:
    """Yield the modules a file imports, relative ones made absolute."""
    package = ["kakehi", *path.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield ".".join([*base, *([node.module] if node.module else [])])


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_follow_the_rule(path: Path) -> None:
    """Filters and tokenizer import neither pipeline nor each other; heavy packages come through one door."""
    place = path.relative_to(ROOT).as_posix()
    for module in imported(path):
        top = place.split("/")[0]
        if top in {"filters", "tokenizer"}:
            other = "tokenizer" if top == "filters" else "filters"
            assert not module.startswith(("kakehi.pipeline", f"kakehi.{other}")), f"{place} imports {module}"
        door = DOORS.get(module.split(".")[0])
        assert door is None or place.startswith(door), f"{place} imports {module}, whose door is {door}"


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_open_nothing(name: str) -> None:
    """Deciding is apart from doing: no file is opened where it is decided what to do."""
    tree = ast.parse((ROOT / "pipeline" / f"{name}.py").read_text(encoding="utf-8"))
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "exec", "eval"}
    assert not {"os", "io", "shutil", "subprocess"} & set(imported(ROOT / "pipeline" / f"{name}.py"))
