"""What commands import: those that run nothing click alone, the others nothing that no step of theirs needs."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import click
import pytest

from kakehi.pipeline.cli.catalogue import COMMANDS
from kakehi.pipeline.cli.options import Command, find_function

QUICKSTART = Path(__file__).parents[3] / "manifests" / "quickstart.yaml"

#: What `check` and `plan` may import: the manifest's models, Arrow, the compiled parts of sources and stages.
DECLARED = {
    "click",
    "fastwarc",
    "llvmlite",
    "numba",
    "numpy",
    "pyarrow",
    "pydantic",
    "resiliparse",
    "ruamel",
    "urllib3",
    "xxhash",
    "zstandard",
}
#: And what these import themselves, some of it only where it is installed.
BROUGHT = {
    "_brotli",
    "_cyutility",
    "_yaml",
    "annotated_types",
    "backports",
    "brotli",
    "cloudpickle",  # Arrow does, where it is
    "pydantic_core",
    "scipy",  # numba asks for its version
    "typing_extensions",
    "typing_inspection",
    "yaml",
}

PROGRAM = """
import sys
before = set(sys.modules)
from kakehi.pipeline.cli.main import main
sys.argv[0] = "kakehi"
try:
    main()
finally:
    print(*{name.partition(".")[0] for name in sys.modules.keys() - before}, file=sys.stderr)
"""


def imported(*arguments: object, **environment: str) -> tuple[str, set[str]]:
    """Run the command in a process of its own; give what it printed, and packages of others that it imported."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, **environment},
    )
    names = set(done.stderr.splitlines()[-1].split())
    return done.stdout, (names & packages_distributions().keys()) - {"kakehi"}


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_a_command_calls_the_function_of_its_name(command: Command) -> None:
    """Its arguments and options are the function's parameters, its help is the docstring."""
    function = find_function(str(command.name))
    assert {param.name for param in command.params} == inspect.signature(function).parameters.keys()
    assert inspect.getdoc(function) == command.help


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [["--help"], ["--version"], *([command.name, "--help"] for command in COMMANDS)],
    ids=" ".join,
)
def test_what_runs_nothing_imports_click_alone(arguments: list[str]) -> None:
    """Help and version wait for no library."""
    assert imported(*arguments)[1] == {"click"}


def test_status_imports_click_alone(tmp_path: Path) -> None:
    """The newest run's events are read without any library."""
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "1.jsonl").write_bytes(b"")
    said, packages = imported("status", "--work", tmp_path)
    assert said.startswith("a run that could not write a word")
    assert packages == {"click"}


@pytest.mark.parametrize(
    ("words", "wanted"), [("kakehi pl", "plain,plan\n"), ("kakehi plan --ver", "plain,--verify\n")]
)
def test_completion_imports_click_alone(words: str, wanted: str) -> None:
    """A TAB after a command or an option waits for no library."""
    number = str(words.count(" "))
    said, packages = imported(_KAKEHI_COMPLETE="bash_complete", COMP_WORDS=words, COMP_CWORD=number)
    assert said == wanted
    assert packages == {"click"}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["check", "plan", "defaults"])
def test_what_reads_a_manifest_imports_no_more_than_models_and_kernels(name: str, tmp_path: Path) -> None:
    """No pandas, Bokeh, Dask, Scrapy, datasets, SentencePiece: none of the allowed packages brings them."""
    more = ["--work", tmp_path] if name == "plan" else []
    assert imported(name, QUICKSTART, *more)[1] <= DECLARED | BROUGHT


@pytest.mark.slow
def test_a_run_imports_nothing_for_steps_that_are_done(make, kakehi, tmp_path: Path) -> None:
    """Where nothing is to do, it needs what a plan needs, and its bars."""
    make.texts(tmp_path / "a.jsonl", 2)
    manifest = make.file(
        tmp_path / "m.yaml",
        "corpus: c\nsources: {t: {ingest: {files: a.jsonl}}}\nmeasure: [script]\nreport: {}\n",
    )
    assert kakehi("run", manifest, "--work", tmp_path / "w").code == 0
    assert imported("run", manifest, "--work", tmp_path / "w")[1] <= DECLARED | BROUGHT | {"tqdm"}


def test_a_walltime_that_is_none_is_refused() -> None:
    """What can't be read as a time is a fault of the command line."""
    with pytest.raises(click.BadParameter):
        next(command for command in COMMANDS if command.name == "run").make_context(
            "run", ["m.yaml", "--walltime", "soon"]
        )
