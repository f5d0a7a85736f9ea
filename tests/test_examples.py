"""Examples in docstrings give what they show."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest

import kakehi

HOME = Path(kakehi.__file__).parent
# In a checkout the folders are links, which rglob follows only where it starts.
FILES = [*HOME.glob("*.py"), *(path for folder in HOME.glob("*/") for path in folder.rglob("*.py"))]
MODULES = [
    ".".join(["kakehi", *path.relative_to(HOME).with_suffix("").parts]).removesuffix(".__init__")
    for path in sorted(FILES)
    if ">>> " in path.read_text("utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_a_modules_examples_run(name):
    """Every example is found and holds."""
    found = doctest.testmod(import_module(name))
    assert (found.failed, found.attempted > 0) == (0, True)


def test_modules_with_examples_are_found():
    """Two have some today; a walk that finds none would hold nothing."""
    assert {"kakehi.tokenizer.sampling", "kakehi.tokenizer.words"} <= set(MODULES)
