"""One run of the quickstart, shared by the journeys that only look at it."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning import discovery
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.storage.store import Store

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Journey:
    """A copy of the quickstart with its own work folder, for the test alone to change."""

    home: Path

    @property
    def manifest(self) -> Path:
        return self.home / "quickstart.yaml"

    @property
    def store(self) -> Store:
        return Store(self.home / "work")

    def run(
        self, *arguments: str, command: str = "run", check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """Call the real command on the manifest, in the folder of the copy."""
        line = [str(Path(sys.executable).with_name("kakehi")), command, "quickstart.yaml", *arguments]
        done = subprocess.run(line, cwd=self.home, capture_output=True, text=True, check=False)
        assert not check or done.returncode == 0, done.stderr
        return done

    def plan(self) -> list[Step]:
        return discovery.make_plan(load(self.manifest), self.store)

    def todo(self) -> dict[str, str]:
        """Name the steps that would run, with their reasons."""
        return {f"{s.name} {s.source or ''}".strip(): s.reason for s in self.plan() if s.action == "run"}

    def edit(self, old: str, new: str) -> None:
        text = self.manifest.read_text(encoding="utf-8")
        assert old in text
        self.manifest.write_text(text.replace(old, new), encoding="utf-8")

    def folder(self, name: str) -> Path:
        [step] = [step for step in self.plan() if step.name == name]
        return self.store.folder(step.name, step.address)


def copied(home: Path) -> Journey:
    shutil.copytree(ROOT / "manifests" / "quickstart", home / "quickstart")
    shutil.copyfile(ROOT / "manifests" / "quickstart.yaml", home / "quickstart.yaml")
    return Journey(home)


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Journey:
    """A finished run that no test may change."""
    journey = copied(tmp_path_factory.mktemp("finished"))
    journey.run()
    return journey


@pytest.fixture
def journey(finished: Journey, tmp_path: Path) -> Journey:
    """A finished run of the test's own: times of change are kept, so nothing is to do."""
    shutil.copytree(finished.home, tmp_path / "own")
    return Journey(tmp_path / "own")


@pytest.fixture
def fresh(tmp_path: Path) -> Journey:
    """A quickstart that has not run."""
    return copied(tmp_path / "fresh")
