"""The README shows what the commands print."""

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journey.conftest import ROOT, Journey

#: A line that stands for lines left out.
CUT = "…"

#: What differs from checkout to checkout: addresses, and the part of a shard's name that holds times of change.
HASHES = re.compile(r"\b[0-9a-f]{16}\b|(?<=-)[0-9a-f]{8}\b|(?<=  )[0-9a-f]{6}(?=  )")


def blocks() -> list[tuple[list[str], list[str]]]:
    """Read the README's console blocks that show output: their commands, and what they print."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    found = []
    for block in re.findall(r"```console\n(.*?)\n```", readme, re.DOTALL):
        lines = block.splitlines()
        commands = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        shown = [line for line in lines if not line.startswith("$ ")]
        if shown and commands:
            found.append((commands, shown))
    return found


def masked(line: str) -> str:
    return HASHES.sub("#", line.rstrip())


def missing(shown: list[str], printed: list[str]) -> Iterator[str]:
    """Yield the lines shown that are not printed in this order, with nothing between them that is not marked as cut."""
    at, cut = 0, False
    for line in map(masked, shown):
        if line == CUT:
            cut = True
            continue
        rest = list(map(masked, printed[at:]))
        place = rest.index(line) if line in rest else -1
        if place < 0 or (place > 0 and not cut):
            yield line
            continue
        at, cut = at + place + 1, False


@pytest.mark.slow
def test_the_demo_prints_what_the_readme_shows(finished: Journey) -> None:
    """The funnel and the files, to the digit; times and addresses are those of whoever wrote the README."""
    [shown] = [shown for commands, shown in blocks() if commands == ["make demo"]]
    printed = finished.run().stdout.splitlines()
    assert list(missing(shown[-len(printed) :], printed)) == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("commands", "shown"),
    [b for b in blocks() if b[0][0].startswith(("kakehi ", "sed "))],
    ids=lambda part: part[-1],
)
def test_commands_print_what_the_readme_shows(
    journey: Journey, commands: list[str], shown: list[str]
) -> None:
    """Every block with output, its commands one after the other, on a finished run."""
    printed: list[str] = []
    for command in commands:
        program, *words = shlex.split(command, comments=True)
        if program == "sed":
            _, old, new, _ = words[1].split("/")
            journey.edit(old, new)
            continue
        if "--verify" in words:
            path = next((journey.home / "work" / "screen").glob("*/wiki/*.parquet"))
            path.write_bytes(path.read_bytes()[:-1] + b"?")
        printed += called(journey, *([program] if program == "cat" else []), *words)
    assert list(missing(shown, printed)) == []


def called(journey: Journey, *words: str) -> list[str]:
    """Call the command on the journey's own manifest and binaries."""
    own = [word.replace("manifests/quickstart.yaml", "quickstart.yaml") for word in words]
    for step in ("pack", "index"):
        here = str(journey.folder(step).relative_to(journey.home))
        own = [re.sub(rf"work/{step}/[0-9a-f]{{16}}", here, word) for word in own]
    if own[0] == "cat":
        return (journey.home / own[1]).read_text(encoding="utf-8").splitlines()
    line = [str(Path(sys.executable).with_name("kakehi")), *own]
    return subprocess.run(
        line, cwd=journey.home, capture_output=True, text=True, check=True
    ).stdout.splitlines()
