"""Ten times the input takes the memory of one."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.journey.conftest import Journey, copied

pytestmark = pytest.mark.slow

#: Runs the command in a child and says how much memory it took, in kilobytes (Linux) or bytes (macOS).
PEAK = "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, capture_output=True); print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"


def peak(journey: Journey) -> int:
    command = [str(Path(sys.executable).with_name("kakehi")), "run", "quickstart.yaml"]
    line = [sys.executable, "-c", PEAK, *command]
    return int(subprocess.run(line, cwd=journey.home, check=True, capture_output=True, text=True).stdout)


@pytest.mark.usefixtures("finished")  # compiles the kernels, whose compiler takes memory of its own
def test_ten_times_the_input_takes_the_memory_of_one(fresh: Journey, tmp_path: Path) -> None:
    """Peak memory of the whole way, training included, grows by less than a tenth."""
    large = copied(tmp_path / "large")
    for path in sorted((large.home / "quickstart").glob("*/*[0-9].*")):
        for copy in range(1, 10):
            shutil.copyfile(path, path.with_name(f"{copy}-{path.name}"))
    assert peak(large) < 1.1 * peak(fresh)
