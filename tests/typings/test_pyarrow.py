"""The types written down for pyarrow tell what the installed pyarrow has."""

import ast
import importlib
import inspect
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

PAGES = Path(__file__).with_name("pyarrow")


def _declared() -> list[Any]:
    """Name every public thing on the pages: its page, its path of names, its declaration."""
    found = []
    for page in sorted(PAGES.glob("*.pyi")):
        module = "pyarrow" if page.stem == "__init__" else f"pyarrow.{page.stem}"
        body = ast.parse(page.read_text(encoding="utf-8")).body
        ours = {each.name: each for each in body if isinstance(each, ast.ClassDef)}
        for each in body:
            if isinstance(each, ast.FunctionDef):
                found.append(pytest.param(module, [each.name], each, id=f"{module}.{each.name}"))
            if isinstance(each, ast.ClassDef) and not each.name.startswith("_"):
                found += _members(module, each, ours)
    return found


def _members(module: str, declared: ast.ClassDef, ours: dict[str, ast.ClassDef]) -> list[Any]:
    """Name a class and its members, those too that it has of a base that only the pages know."""
    inherited = [ours[base.id] for base in declared.bases if isinstance(base, ast.Name) and base.id in ours]
    bodies = [declared.body, *(base.body for base in inherited if base.name.startswith("_"))]
    members = [each for body in bodies for each in body if isinstance(each, ast.FunctionDef)]
    return [
        pytest.param(module, [declared.name], declared, id=f"{module}.{declared.name}"),
        *(
            pytest.param(module, [declared.name, each.name], each, id=f"{module}.{declared.name}.{each.name}")
            for each in members
            if each.name != "__buffer__"  # pyarrow's are in C, and have the name from Python 3.12 on
        ),
    ]


def _fault(declared: ast.FunctionDef, there: inspect.Signature) -> str | None:
    """Call with the fewest and with all arguments that are declared; say what is not taken under its name."""
    placed = [each.arg for each in (*declared.args.posonlyargs, *declared.args.args) if each.arg != "cls"]
    named = {
        each.arg: default
        for each, default in zip(declared.args.kwonlyargs, declared.args.kw_defaults, strict=True)
    }
    try:
        there.bind(
            *placed[: len(placed) - len(declared.args.defaults)],
            **{name: name for name, default in named.items() if default is None},
        )
        bound = there.bind(*placed, **{name: name for name in named}).arguments
    except TypeError as error:
        return str(error)
    called = [each.arg for each in declared.args.args if each.arg != "cls"]
    wrong = [name for name in (*called, *named) if bound.get(name) != name]
    return f"{wrong}: at another place" if wrong else None


@pytest.mark.parametrize(("module", "path", "declared"), _declared())
def test_what_is_declared_is_there(module: str, path: list[str], declared: ast.stmt) -> None:
    """Every class, function and property is in pyarrow by its name, and takes the arguments that are declared."""
    there = importlib.import_module(module)
    for name in path:
        there = getattr(there, name)
    if not isinstance(declared, ast.FunctionDef):
        assert inspect.isclass(there)
    elif any(isinstance(each, ast.Name) and each.id == "property" for each in declared.decorator_list):
        assert not inspect.isroutine(there)
    elif not path[-1].startswith("__"):
        assert _fault(declared, inspect.signature(there)) is None


def test_a_wrong_declaration_is_found() -> None:
    """An argument that pyarrow doesn't know, one at another place, and one too few are differences."""
    there = inspect.signature(pa.Table.set_column)
    for wrong in ("i, field_, column, more", "field_, i, column", "i, field_", "i, field_, column=None"):
        declared = ast.parse(f"def set_column(self, {wrong}): ...").body[0]
        assert isinstance(declared, ast.FunctionDef)
        assert _fault(declared, there), wrong
