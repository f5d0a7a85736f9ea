"""The import rule: leaves know no trunk, the ground knows itself alone, each heavy part has one door, and imports.txt draws the real arrows.

After a change that is meant: KAKEHI_IMPORTS=write pytest tests/pipeline/test_imports.py
"""

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path
from textwrap import wrap

import pytest

ROOT = Path(__file__).parents[2]
GROUND = sorted(path for path in (ROOT / "kakehi").glob("*.py") if not path.stem.startswith("__"))
FILES = [
    *GROUND,
    *sorted(path for top in ("filters", "tokenizer", "pipeline") for path in (ROOT / top).rglob("*.py")),
]
PURE = [
    "pipeline/planning/planner.py",
    "pipeline/storage/addresses.py",
    "pipeline/planning/training_cost.py",
    "pipeline/planning/training_limits.py",
    "pipeline/stages/pack/plan.py",
]
DOORS = {
    "dask": "pipeline/engines/",
    "distributed": "pipeline/engines/",
    **dict.fromkeys(("scrapy", "twisted", "protego", "w3lib"), "pipeline/sources/crawl/"),
    "urllib3": "pipeline/sources/archive/",
    "fugashi": "tokenizer/words.py",
    **dict.fromkeys(("sentencepiece", "google"), "tokenizer/"),
    "resiliparse": "filters/page/",
    "fastwarc": "pipeline/sources/formats/",
    "datasets": "pipeline/sources/formats/",
    "bokeh": "pipeline/stages/report/",
    "pandas": "nowhere",
}


def imported(path: Path) -> Iterator[str]:
    """Yield the modules a file imports, relative ones made absolute."""
    package = shard_and_row(path)[:-1]
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


@pytest.mark.parametrize("path", GROUND, ids=lambda path: path.stem)
def test_ground_imports_itself_alone(path: Path) -> None:
    """What both leaves stand on, names for arrays and a hash, imports no leaf and no trunk."""
    ours = {module for module in imported(path) if module.startswith("kakehi")}
    assert ours <= {module_of(other) for other in GROUND}


@pytest.mark.parametrize("path", PURE)
def test_pure_modules_open_nothing(path: str) -> None:
    """Deciding is apart from doing: no file is opened where it is decided what to do."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    called = {
        node.func.id
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert not called & {"open", "print", "exec", "eval"}
    assert not {"os", "io", "shutil", "subprocess"} & set(imported(ROOT / path))


SNAPSHOT = Path(__file__).with_name("imports.txt")


def test_snapshot_draws_the_real_arrows() -> None:
    """Every arrow between rooms is in imports.txt, in an order in which arrows point down."""
    lines = drawn()
    if os.environ.get("KAKEHI_IMPORTS") == "write":
        SNAPSHOT.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert SNAPSHOT.read_text(encoding="utf-8").splitlines() == lines


def drawn() -> list[str]:
    """Write a line for each part, what it imports behind an arrow."""
    found = arrows()
    sorter = TopologicalSorter({part: sorted(found[part]) for part in sorted(found)})
    order = list(sorter.static_order())[::-1]
    width = max(map(len, order))
    lines: list[str] = []
    for part in order:
        names = sorted(found[part], key=order.index)
        first = f"{part:<{width}} → "
        lines += wrap(" ".join(names), 110, initial_indent=first, subsequent_indent=" " * len(first)) or [
            part
        ]
    return lines


def arrows() -> dict[str, set[str]]:
    """Find which parts each part imports: modules of pipeline, its packages, and packages of the leaves."""
    parts = {module_of(path): part_of(path) for path in FILES}
    found: dict[str, set[str]] = {part: set() for part in parts.values() if part}
    for path in FILES:
        mine = parts[module_of(path)]
        for module in imported_names(path):
            other = parts.get(module, "")
            if mine and other and other != mine:
                found[mine].add(other)
    return found


def part_of(path: Path) -> str:
    """Name the part a file belongs to: `planning`, `filters.signals`, `arrays` of the ground; '' for an empty root."""
    top, inner, *_ = (*shard_and_row(path)[1:], "")
    if inner == "__init__":
        return ""
    return inner if top == "pipeline" else f"{top}.{inner}".removesuffix(".")


def shard_and_row(path: Path) -> list[str]:
    """Name a file as the package has it, part by part; the ground lies in `kakehi/` itself, the rest beside it."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return [*parts] if parts[0] == "kakehi" else ["kakehi", *parts]


def module_of(path: Path) -> str:
    return ".".join(shard_and_row(path)).removesuffix(".__init__")


def imported_names(path: Path) -> Iterator[str]:
    """Yield the modules a file imports, and what it takes from them: that may be a module too."""
    yield from imported(path)
    package = shard_and_row(path)[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            yield from (
                ".".join([*base, *([node.module] if node.module else []), alias.name]) for alias in node.names
            )


def test_the_command_starts_without_what_few_commands_need() -> None:
    """What takes a while to import waits for the command, stage or engine that asks for it."""
    heavy = "bokeh", "distributed", "datasets", "scrapy", "fugashi", "sentencepiece", "trafilatura"
    code = f"import sys, kakehi.pipeline.cli.main; print(*sys.modules.keys() & {{*{heavy}}})"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.split() == []
