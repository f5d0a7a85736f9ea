"""Ctrl-C that nothing swallows.

Python raises KeyboardInterrupt wherever it happens to be. In a numba kernel's call that ends as a SystemError (seen: it
was reported as a broken input); a callback from C drops it (a run was seen to go on to its end).
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_heard = threading.Event()


@contextmanager
def interruptible() -> Iterator[None]:
    """Remember a Ctrl-C; whatever error comes after it is the Ctrl-C.

    Raises:
        KeyboardInterrupt: in place of such an error.
    """
    _heard.clear()
    mine = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT)
        is signal.default_int_handler  # under nohup it is ignored, and stays so
    )
    if mine:
        signal.signal(signal.SIGINT, _remember)
    try:
        yield
    except Exception:
        raise_interrupt()
        raise
    finally:
        if mine:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def raise_interrupt() -> None:
    """Stop here if there was a Ctrl-C.

    Raises:
        KeyboardInterrupt: there was one.
    """
    if _heard.is_set():
        raise KeyboardInterrupt


def _remember(number: int, frame: FrameType | None) -> None:
    _heard.set()
    signal.default_int_handler(number, frame)
