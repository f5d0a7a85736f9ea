"""Ctrl-C, SIGTERM and SIGHUP that nothing swallows.

Python raises KeyboardInterrupt wherever it happens to be. In a numba kernel's call that ends as a SystemError (seen: it
was reported as a broken input); a callback from C drops it (a run was seen to go on to its end).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType
from typing import Any, Final


@dataclass
class _Heard:
    """What a command was asked to stop by: a signal, or an error of another thread."""

    event: threading.Event = field(default_factory=threading.Event)
    number: int | None = None
    error: Exception | None = None

    def forget(self) -> None:
        """Begin anew."""
        self.event.clear()
        self.number = self.error = None


_heard = _Heard()


@contextmanager
def interruptible() -> Iterator[None]:
    """Remember a Ctrl-C, SIGTERM or SIGHUP; whatever error comes after it is that.

    Of SIGTERM and SIGHUP the first counts: what is sent again does not disturb the tidying up, and stays ignored.

    Raises:
        KeyboardInterrupt: in place of such an error.
    """
    _heard.forget()
    mine = _ours() if threading.current_thread() is threading.main_thread() else {}
    for number in mine:
        signal.signal(number, _remember)
    try:
        yield
    except (Exception, KeyboardInterrupt):
        if _heard.error is not None:
            _heard.event.clear()  # it is heard now
            raise _heard.error from None
        raise_interrupt()
        raise
    finally:
        for number, before in mine.items():
            late = (
                _heard.event.is_set() and number != signal.SIGINT
            )  # Python's own end would die of it, with its code
            signal.signal(number, signal.SIG_IGN if late else before)


def raise_interrupt() -> None:
    """Stop here if there was a Ctrl-C, a SIGTERM, a SIGHUP, or another thread that said stop.

    Raises:
        KeyboardInterrupt: there was one.
    """
    if _heard.event.is_set():
        raise KeyboardInterrupt(heard())


def heard() -> str | None:
    """Name the signal that a command was asked to stop by, or None."""
    return None if _heard.number is None else signal.Signals(_heard.number).name


def stop(error: Exception) -> None:
    """Have the command end with an error, from a thread of its own."""
    _heard.error = error
    _heard.event.set()
    if signal.getsignal(signal.SIGTERM) is _remember:  # a sleep or a wait ends at once
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGTERM)


#: What each signal does where nobody has asked otherwise; under nohup SIGHUP is ignored, and stays so.
_DEFAULTS: Final[dict[signal.Signals, Any]] = {
    signal.SIGINT: signal.default_int_handler,
    signal.SIGTERM: signal.SIG_DFL,
    signal.SIGHUP: signal.SIG_DFL,
}


def _ours() -> dict[signal.Signals, Any]:
    return {number: default for number, default in _DEFAULTS.items() if signal.getsignal(number) is default}


def _remember(number: int, frame: FrameType | None) -> None:
    del frame
    again = _heard.number is not None and number != signal.SIGINT
    _heard.event.set()
    if not again:
        _heard.number = _heard.number or number
        raise KeyboardInterrupt(signal.Signals(number).name if _heard.error is None else str(_heard.error))
