"""Ctrl-C that nothing swallows."""

import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.interrupts import interruptible, raise_interrupt
from kakehi.pipeline.storage.store import Receipt, Store

ROOT = Path(__file__).parents[2]

#: A command that says when it runs and then only waits, and a test after it.
TWO_TESTS = """
import os, threading
from kakehi.pipeline.execution import runner

def wait(*_, **__):
    os.write(1, b"begun\\n")
    threading.Event().wait(60)

def test_one(make, kakehi, monkeypatch, tmp_path):
    make.texts(tmp_path / "a.jsonl", 1)
    manifest = make.file(tmp_path / "m.yaml", "corpus: c\\nsources: {t: {ingest: {files: a.jsonl}}}\\n")
    monkeypatch.setattr(runner, "run", wait)
    kakehi("run", manifest, "--work", tmp_path / "w")

def test_two():
    os.write(1, b"went on\\n")
"""


def swallowed(_: object = None) -> None:
    """Drop a Ctrl-C, as a callback from C does."""
    with suppress(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def turned(_: object) -> None:
    """Turn a Ctrl-C into another error, as the call of a kernel does."""
    swallowed()
    raise SystemError("returned a result with an exception set")


def test_an_error_after_it_is_it() -> None:
    """Not a fault of the input."""
    with pytest.raises(KeyboardInterrupt), interruptible():
        turned(None)


def test_an_error_without_it_stays_what_it_is() -> None:
    """Also after a command that was stopped in the same process."""
    with pytest.raises(KeyboardInterrupt), interruptible():
        signal.raise_signal(signal.SIGINT)
    with interruptible():
        raise_interrupt()
    with pytest.raises(ZeroDivisionError), interruptible():
        raise ZeroDivisionError
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.mark.parametrize("task", [swallowed, turned])
def test_no_task_is_begun_after_it(task) -> None:
    """Whether it was dropped or turned into another error."""
    begun = []

    def noted(item: int) -> None:
        begun.append(item)
        task(item)

    with pytest.raises(KeyboardInterrupt), interruptible():
        list(Inline().map(noted, range(3)))
    assert begun == [0]


def test_nothing_is_published_after_it(tmp_path) -> None:
    """What ran while it was dropped may lack something."""
    store = Store(tmp_path)
    attempt = store.attempt()
    receipt = Receipt(step="s", source=None, shard=None, address="a" * 16, inputs=(), counts={})
    with interruptible():
        swallowed()
        with pytest.raises(KeyboardInterrupt):
            store.publish(attempt, receipt)
    assert store.receipt("s", "a" * 16, None, None) is None


def test_where_it_is_ignored_it_stays_so() -> None:
    """As under nohup."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible():
            signal.raise_signal(signal.SIGINT)
            raise_interrupt()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.slow
def test_it_ends_the_tests_while_a_command_runs_in_them(make, tmp_path) -> None:
    """The command makes an exit code of it, and pytest yet stops at once, with its own code for that."""
    path = make.file(tmp_path / "test_two.py", TWO_TESTS)
    options = ("-s", "-p", "tests.conftest", "-p", "no:cacheprovider", f"--rootdir={tmp_path}")
    line = [sys.executable, "-m", "pytest", *options, str(path)]
    with subprocess.Popen(line, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert any("begun" in said for said in process.stdout)
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED, rest
    assert "went on" not in rest
