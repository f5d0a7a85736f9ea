"""Compile every kernel ahead, so that worker processes of one machine find them in the cache."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pyarrow as pa

from kakehi.filters.cleaning.gate import looks_japanese
from kakehi.filters.cleaning.html import HARMLESS_TAGS, main_text
from kakehi.filters.cleaning.normalise import normalise
from kakehi.filters.duplicates.keepers import candidate_pairs, leaving
from kakehi.filters.duplicates.minhash import Scheme, Signing, band_keys
from kakehi.filters.duplicates.shingles import Shingling, shingle_hashes
from kakehi.filters.duplicates.similarity import shared_shingles
from kakehi.filters.signals import FAMILIES
from kakehi.filters.signals.wordlists import build, count_hits
from kakehi.filters.texts import view

KERNEL_FAMILIES = ("script", "lines", "repetition", "swallow", "hojichar")


def compile_kernels() -> None:
    """Run every kernel on two short texts: 15 s where nothing is compiled yet, 0.4 s from the cache."""
    main_text(b"<b></b>" * HARMLESS_TAGS)  # only pages of many tags are walked over
    looks_japanese(b"")
    texts = normalise(pa.array(["筧の水。", "ｶｹﾋの水。"], pa.large_string()), "training")
    for name in KERNEL_FAMILIES:
        FAMILIES[name].measure(texts)
    count_hits(view(texts), build(["水"], "script", "longest"))
    shingling = Shingling()
    for scheme in get_args(Scheme):
        keys = band_keys(view(texts), Signing(shingling=shingling, scheme=scheme, bands=2, rows=2))
    shingle_hashes(view(texts), Shingling(unit="words", cut=str.split))
    candidate_pairs(np.ascontiguousarray(keys[:, 0]), np.arange(2))
    shared_shingles(view(texts), np.array([[0, 1]]), shingling)
    leaving(np.ones(1, np.int64), np.zeros(1, np.int64), np.ones(1), np.zeros(2, bool))
