"""A release is whole: what the sdist and the wheel hold, and the quickstart where there is no checkout.

Nothing is downloaded: what builds, and what the release needs, are the packages of the environment that runs the tests.
`make release` has both come from the package index (KAKEHI_RELEASE=index), in environments of their own.
"""

import os
import re
import site
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.journey.conftest import ROOT
from tests.journey.test_readme import blocks, missing

FROM_INDEX = os.environ.get("KAKEHI_RELEASE") == "index"
PARTS = ("filters", "manifests", "pipeline", "tokenizer")
#: What a packager needs to build it and to run the tests; not what serves this repository alone.
TOP = {
    *PARTS,
    *("kakehi", "bench", "docs", "tests"),
    *("pyproject.toml", "constraints.txt", "Makefile", "LICENSE", "NOTICE", "PKG-INFO"),
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", ".gitignore"),
}

# Building is quick; with KAKEHI_RELEASE=index a fixture waits for the index.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1200)]


def called(*line: str | Path, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """Call a command and give what it printed."""
    done = subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{line}: {done.stdout}{done.stderr}"
    return done.stdout


def build(source: Path, to: Path, *options: str) -> Path:
    """Build a release into a folder."""
    isolation = [] if FROM_INDEX else ["--no-isolation"]
    called(sys.executable, "-m", "build", *isolation, *options, "--outdir", to, source, cwd=to.parent)
    return to


def sums(wheel: Path) -> dict[str, int]:
    """Give the check sum of every file of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return {file.filename: file.CRC for file in archive.infolist()}


def files_of(folder: Path) -> set[str]:
    """Name the files in a folder of the checkout, without what Python and numba put there."""
    found = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    return {path.relative_to(folder).as_posix() for path in found}


@dataclass(frozen=True)
class Stranger:
    """A place with the wheel installed: an environment, an empty home, and a folder that is no checkout."""

    environment: Path
    home: Path
    here: Path

    def call(self, program: str, *words: str) -> str:
        """Call a program of the environment with nothing else on its way."""
        env = {"HOME": str(self.home), "PATH": os.pathsep.join([str(self.environment / "bin"), os.defpath])}
        return called(self.environment / "bin" / program, *words, cwd=self.here, env=env)


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Give the sdist and the wheel that is built from it."""
    home = build(ROOT, tmp_path_factory.mktemp("release") / "dist")
    [sdist], [wheel] = home.glob("*.tar.gz"), home.glob("*.whl")
    return sdist, wheel


@pytest.fixture(scope="module")
def sources(release: tuple[Path, Path]) -> dict[str, bytes]:
    """Give the sdist's files by name, without the folder that all are in."""
    with tarfile.open(release[0]) as archive:
        members = [member for member in archive.getmembers() if not member.isdir()]
        assert all(member.isfile() for member in members)
        return {
            member.name.partition("/")[2]: file.read()
            for member in members
            if (file := archive.extractfile(member)) is not None
        }


@pytest.fixture(scope="module")
def stranger(release: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Stranger:
    """Install the wheel into an environment of its own."""
    place = tmp_path_factory.mktemp("stranger")
    environment, home, here = (place / name for name in ("environment", "home", "here"))
    home.mkdir()
    here.mkdir()
    called(sys.executable, "-m", "venv", "--without-pip", environment, cwd=here)
    python = environment / "bin" / "python"
    how = ["--constraint", ROOT / "constraints.txt"] if FROM_INDEX else ["--no-index", "--no-deps"]
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--python", python]
    called(*pip, "install", *how, release[1], cwd=here)
    if not FROM_INDEX:  # last, or pip would find the kakehi of this environment installed
        [own] = environment.glob("lib/python*/site-packages")
        (own / "dependencies.pth").write_text("\n".join(site.getsitepackages()) + "\n", encoding="utf-8")
    return Stranger(environment, home, here)


def test_the_sdist_has_what_a_packager_needs(sources: dict[str, bytes]) -> None:
    """Sources, tests, documentation and licences; nothing of the work on this repository."""
    assert {name.partition("/")[0] for name in sources} == TOP
    for part in ("tests", "docs"):
        assert {name[len(part) + 1 :] for name in sources if name.startswith(f"{part}/")} == files_of(
            ROOT / part
        )


@pytest.mark.parametrize("part", PARTS)
def test_the_sdist_has_each_part_twice(sources: dict[str, bytes], part: str) -> None:
    """At the top, where tests read sources, and under `kakehi`, where links are in a checkout: the same files."""
    top, linked = (
        {name.removeprefix(folder): held for name, held in sources.items() if name.startswith(folder)}
        for folder in (f"{part}/", f"kakehi/{part}/")
    )
    assert top.keys() == files_of(ROOT / part)
    assert linked == top


def test_the_wheel_of_the_sdist_is_that_of_the_checkout(release: tuple[Path, Path], tmp_path: Path) -> None:
    """Whoever builds from either gets the same files."""
    [wheel] = build(ROOT, tmp_path / "dist", "--wheel").glob("*.whl")
    assert sums(release[1]) == sums(wheel)


def test_the_wheel_has_the_package_alone(release: tuple[Path, Path]) -> None:
    """The four parts with all their data, the marker of types, licences; no tests and no generators."""
    version = project()["version"]
    about = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "licenses/NOTICE"}
    wanted = {f"kakehi/{part}/{name}" for part in PARTS for name in files_of(ROOT / part)}
    wanted |= {
        f"kakehi/{path.name}" for path in (ROOT / "kakehi").iterdir() if path.suffix in {".py", ".typed"}
    }
    wanted |= {f"kakehi-{version}.dist-info/{name}" for name in about}
    assert sums(release[1]).keys() == wanted


def test_the_quickstart_runs_where_there_is_no_checkout(stranger: Stranger) -> None:
    """The command and the module print what the README shows, from the wheel's own files; the home stays empty."""
    place = stranger.call("python", "-c", "import kakehi; print(kakehi.__file__)")
    assert Path(place).is_relative_to(stranger.environment)
    assert stranger.call("kakehi", "--version").split()[-1] == project()["version"]
    stranger.call("kakehi", "quickstart", "manifests")
    words = ["run", "manifests/quickstart.yaml", "--machine", "manifests/machines/laptop.yaml"]
    printed = stranger.call("kakehi", *words)
    [shown] = [shown for commands, shown in blocks() if commands == ["make demo"]]
    lines = printed.splitlines()
    assert list(missing(shown[-len(lines) :], lines)) == []
    again = stranger.call("python", "-m", "kakehi", *words, "--work", "again")
    assert re.sub(r"\bagain/", "work/", again) == printed
    assert list(stranger.home.iterdir()) == []


def project() -> dict[str, Any]:
    """Read the project's table of pyproject.toml."""
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"])


def test_the_pinned_versions_are_within_the_bounds() -> None:
    """What constraints.txt pins is what pyproject.toml lets in, and all that runs and tests kakehi is pinned."""
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").split()
    pins = {canonicalize_name(name): version for name, version in (line.split("==") for line in lines)}
    extras = project()["optional-dependencies"]
    needed = [*project()["dependencies"], *extras["crawl"], *extras["precise"], *extras["dev"]]
    for wanted in map(Requirement, needed):
        assert pins[canonicalize_name(wanted.name)] in wanted.specifier, wanted
