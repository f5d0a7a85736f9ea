"""Compile kernels ahead, so that worker processes of one machine find them in the cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from kakehi import filters, tokenizer
from kakehi.filters.decoding.gate import looks_japanese
from kakehi.filters.duplicates.keepers import candidate_pairs, leaving
from kakehi.filters.duplicates.minhash import Scheme, Signing, band_keys
from kakehi.filters.duplicates.shingles import Shingling, shingle_hashes
from kakehi.filters.duplicates.similarity import shared_shingles
from kakehi.filters.normalisation.normalise import normalise
from kakehi.filters.page.html import HARMLESS_TAGS, main_text
from kakehi.filters.signals import FAMILIES
from kakehi.filters.signals.wordlists import build, count_hits
from kakehi.filters.texts import view
from kakehi.tokenizer.packed.copy_ranges import move

#: Where kernels, and what they call, are written.
SOURCES: Final = tuple(Path(str(leaf.__file__)).resolve().parent for leaf in (filters, tokenizer))


def compile_kernels(names: Iterable[str]) -> None:
    """Run the kernels of these names on two short texts: 35 s for all of them where nothing is compiled yet."""
    for name in dict.fromkeys(names):
        KERNELS[name]()


def forget_stale(folders: Iterable[Path]) -> None:
    """Remove what numba keeps compiled from before a source changed.

    It looks at what is in the file of a kernel alone, not in those of the functions that it calls: after a `git pull` they
    would still be the old ones. Every run does this; whoever calls kernels without one, as benchmarks do, has to.
    Where the folders may not be written to, numba keeps nothing there either.
    """
    paths = list(folders)
    newest = max(source.stat().st_mtime_ns for path in paths for source in path.rglob("*.py"))
    for index in (index for path in paths for index in path.rglob("__pycache__/*.nbi")):
        with suppress(OSError):
            if index.stat().st_mtime_ns < newest:
                index.unlink()


def _html() -> None:
    main_text(b"<b></b>" * HARMLESS_TAGS)  # only pages of many tags are walked over


def _gate() -> None:
    looks_japanese(b"")


def _normalise() -> None:
    normalise(_texts(), "training")


def _family(name: str) -> None:
    FAMILIES[name].measure(_texts())


def _wordlists() -> None:
    count_hits(view(_texts()), build(["水"], "script", "longest"))


def _sign(scheme: Scheme) -> None:
    band_keys(view(_texts()), Signing(shingling=Shingling(), scheme=scheme, bands=2, rows=2))


def _words() -> None:
    shingle_hashes(view(_texts()), Shingling(unit="words", cut=str.split))


def _pair() -> None:
    candidate_pairs(np.ones(2, np.uint64), np.arange(2))
    shared_shingles(view(_texts()), np.array([[0, 1]]), Shingling())


def _keep() -> None:
    leaving(np.ones(1, np.int64), np.zeros(1, np.int64), np.ones(1), np.zeros(2, bool))


def _move() -> None:
    nothing = np.zeros(0, np.int64)
    for dtype in ("<u2", "<i4"):
        tokens = np.zeros(0, dtype)
        move(tokens, nothing, nothing, tokens, nothing)


def _texts() -> pa.Array:
    """Make them here and not at import: Arrow imports pandas for a list of Python's, 0.25 s."""
    return pa.array(["筧の水。", "ｶｹﾋの水。"], pa.large_string())


#: What there is to compile. Stages and families name what they run (`Stage.kernels`, `Family.kernels`).
KERNELS: Final[Mapping[str, Callable[[], None]]] = {
    "html": _html,
    "gate": _gate,
    "normalise": _normalise,
    **{
        name: partial(_family, name)
        for name in ("script", "lines", "repetition", "compression", "swallow", "hojichar")
    },
    "wordlists": _wordlists,
    "affine32": partial(_sign, "affine32"),
    "fss": partial(_sign, "fss"),
    "legacy": partial(_sign, "legacy"),
    "words": _words,
    "pair": _pair,
    "keep": _keep,
    "move": _move,
}
