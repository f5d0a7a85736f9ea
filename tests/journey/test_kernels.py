"""What is compiled before workers start is what their tasks run, and all of it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kakehi.filters.signals import FAMILIES
from kakehi.pipeline.engines.kernels import KERNELS, forget_stale
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.manifest.model import Manifest
from kakehi.pipeline.stages.catalogue import STAGES

QUICKSTART = Path(__file__).parents[2] / "manifests" / "quickstart.yaml"

EVERYTHING = """
corpus: c
sources:
  a: {{ingest: {{files: a.jsonl}}}}
  b: {{extract: {{files: b.warc.gz, language: ja}}}}
measure: [script, lines, repetition, compression, swallow, hojichar, language, ng: {{wordlists: {{words: ng.txt}}}}, address]
dedupe: {{{dedupe}}}
train: {{vocab_size: 400}}
encode: {{eod: "</s>"}}
pack: {{sequence_tokens: 16, lanes: 1, validation_rows: 0}}
"""


#: In a process of its own, in which nothing has been compiled or read from the cache yet.
PROGRAM = """
import sys
from pathlib import Path
from numba.core.dispatcher import Dispatcher
from kakehi.pipeline.engines.kernels import compile_kernels
from kakehi.pipeline.cli.main import cli
from kakehi.pipeline.manifest.compile import load

def signatures():
    modules = [module for name, module in list(sys.modules.items()) if name.startswith("kakehi.")]
    found = {value for module in modules for value in vars(module).values() if isinstance(value, Dispatcher)}
    return {(k.py_func.__module__, k.py_func.__name__, str(s)) for k in found for s in k.signatures}

manifest, work = sys.argv[1:]
read = load(Path(manifest))
compile_kernels(n for s in (*read.sources, *read.steps) for n in s.stage.kernels_for(s.parameters))
before = signatures()
cli.main(["run", manifest, "--work", work], standalone_mode=False)
new = signatures() - before
assert not new, new
"""


def _named(manifest: Manifest) -> list[str]:
    steps = [*manifest.sources, *manifest.steps]
    return [name for step in steps for name in step.stage.kernels_for(step.parameters)]


@pytest.mark.slow
@pytest.mark.parametrize("dedupe", ["", "scheme: legacy, unit: words", "preset: swallow, level: training"])
def test_tasks_compile_nothing_more(make, tmp_path: Path, dedupe: str) -> None:
    """After the kernels that a manifest's steps name, a run compiles none."""
    rows = [{"text": make.text(i, 6)} for i in range(12)]
    make.jsonl(tmp_path / "a.jsonl", [*rows, *rows[:3], {"text": rows[4]["text"] + "また。"}])
    make.warc(tmp_path / "b.warc.gz", [make.page(f"https://a.example/{i}") for i in range(3)])
    make.file(tmp_path / "ng.txt", "猫\n")
    manifest = make.file(tmp_path / "m.yaml", EVERYTHING.format(dedupe=dedupe))
    command = [sys.executable, "-c", PROGRAM, str(manifest), str(tmp_path / "work")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_names_are_those_there_are() -> None:
    """Each family names kernels that can be compiled, and every kernel is somebody's."""
    families = {name for family in FAMILIES.values() for name in family.kernels}
    fixed = {name for stage in STAGES if not callable(stage.kernels) for name in stage.kernels}
    assert families | fixed <= KERNELS.keys()
    assert KERNELS.keys() - families - fixed == {"html", "gate", "affine32", "fss", "legacy", "words"}


def test_quickstart_compiles_only_its_own() -> None:
    """The demo doesn't pay for families and schemes it has no use for."""
    assert set(_named(load(QUICKSTART))) == {
        *("html", "gate", "normalise", "script", "lines", "affine32", "pair", "keep", "move"),
    }


def test_what_was_compiled_before_a_source_changed_is_forgotten(tmp_path: Path) -> None:
    """Whatever file changed: numba looks at a kernel's own alone."""
    cache = tmp_path / "a" / "__pycache__"
    cache.mkdir(parents=True)
    times = {cache / "old.nbi": 1, tmp_path / "b.py": 2, tmp_path / "a" / "a.py": 1, cache / "new.nbi": 3}
    for path, time in times.items():
        path.touch()
        os.utime(path, (time, time))
    forget_stale([tmp_path / "a", tmp_path])
    assert sorted(path.name for path in cache.iterdir()) == ["new.nbi"]
