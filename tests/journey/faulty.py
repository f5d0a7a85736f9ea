"""Run the real command with a fault planted in it; the tests of faults and of chaos call this as a process.

    python faulty.py POINT N ARGUMENT...            plant it at the N-th call, then run the command
    python faulty.py POINT every BASE ARGUMENT...   an undisturbed run in BASE/0; then a run with the fault at its first
                                                    call, at its second, and so on (every KAKEHI_STRIDE-th), each in a
                                                    work folder of its own and followed by a plain run; prints
                                                    `N, code with the fault, code of the plain run` and stops where a
                                                    run had no N-th call; KAKEHI_UNTIL names a step that is done before

Points: `rename` dies before it, `receipt` dies before any JSON is written, `half-json` dies before JSON is renamed to
its place and leaves half of it, `parts` dies before parts are removed; `full` finds the disk full when a file is synced.
"""

from __future__ import annotations

import errno
import os
import shutil
import sys
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from itertools import count
from pathlib import Path
from typing import Any

from kakehi.pipeline.cli.main import main
from kakehi.pipeline.storage.store import Store

DIED = 137


def die(*_: Any) -> None:
    os._exit(DIED)


def die_half_written(path: Path, *_: Any) -> None:
    os.truncate(path, path.stat().st_size // 2)
    os._exit(DIED)


def fill_up(*_: Any) -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


#: Point to: the module or class, its function, what happens there, and of which first arguments.
POINTS: dict[str, tuple[Any, str, Callable[..., None], Callable[[Any], bool]]] = {
    "rename": (Path, "replace", die, lambda _: True),
    "receipt": (Store, "write_json", die, lambda _: True),
    "half-json": (Path, "replace", die_half_written, lambda path: ".json." in path.name),
    "parts": (shutil, "rmtree", die, lambda path: path.name.endswith(".parts") and path.exists()),
    "full": (os, "fsync", fill_up, lambda _: True),
}


def plant(point: str, number: int) -> None:
    """Let the fault happen at the n-th call."""
    home, name, fault, concerns = POINTS[point]
    real = getattr(home, name)
    calls = 0

    def faulty(first: Any, *rest: Any, **named: Any) -> Any:
        nonlocal calls
        calls += concerns(first)
        if calls == number and concerns(first):
            fault(first, *rest)
        return real(first, *rest, **named)

    setattr(home, name, faulty)


def child(arguments: list[str], said: Path, fault: tuple[str, int] | None = None) -> int:
    """Run the command in a forked process, so that modules are read once; give its exit code."""
    process = os.fork()
    if process:
        return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
    handle = os.open(said, os.O_CREAT | os.O_WRONLY | os.O_TRUNC)
    os.dup2(handle, 1)
    os.dup2(handle, 2)
    sys.argv[1:] = arguments
    if fault is not None:
        plant(*fault)
    code = 1
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def every(point: str, base: Path, arguments: list[str]) -> None:
    """Plant the fault at the first call, at the second, and so on, until a run has no such call."""
    base.mkdir(parents=True)
    sys.argv[1:] = [*arguments, "--work", os.fspath(base / "0")]
    with (base / "0.plain").open("w") as said, redirect_stdout(said), redirect_stderr(said):
        main()  # undisturbed; and all that is loaded on first use is there for the children
    code = -1
    for number in count(1, int(os.environ.get("KAKEHI_STRIDE", "1"))):
        line = [*arguments, "--work", os.fspath(base / str(number))]
        if until := os.environ.get("KAKEHI_UNTIL"):
            assert child([*line, "--until", until], base / f"{number}.before") == 0
        code = child(line, base / f"{number}.faulty", (point, number))
        plain = child(line, base / f"{number}.plain")
        print(number, code, plain, flush=True)  # noqa: T201 - what the test reads
        if code == 0:
            break


if __name__ == "__main__":
    if sys.argv[2] == "every":
        every(sys.argv[1], Path(sys.argv[3]), sys.argv[4:])
    else:
        plant(sys.argv[1], int(sys.argv[2]))
        sys.argv[1:] = sys.argv[3:]
        main()
