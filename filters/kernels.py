"""Compile every kernel ahead, so that worker processes of one machine find them in the cache."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from kakehi.filters.cleaning.gate import looks_japanese
from kakehi.filters.cleaning.html import HARMLESS_TAGS, main_text
from kakehi.filters.cleaning.normalise import normalise
from kakehi.filters.duplicates.keepers import candidate_pairs, choose_keepers
from kakehi.filters.duplicates.minhash import band_keys
from kakehi.filters.duplicates.similarity import shared_shingles
from kakehi.filters.signals import FAMILIES
from kakehi.filters.texts import view

KERNEL_FAMILIES = ("script", "lines")


def compile_kernels() -> None:
    """Run every kernel on two short texts: 15 s where nothing is compiled yet, 0.4 s from the cache."""
    main_text(b"<b></b>" * HARMLESS_TAGS)  # only pages of many tags are walked over
    looks_japanese(b"")
    texts = normalise(pa.array(["筧の水。", "ｶｹﾋの水。"], pa.large_string()), "training")
    for name in KERNEL_FAMILIES:
        FAMILIES[name].measure(texts)
    keys = band_keys(view(texts), ngram=5, bands=2, rows=2, seed=1)
    pairs, _ = candidate_pairs(np.ascontiguousarray(keys[:, 0]), np.arange(2))
    shared_shingles(view(texts), np.array([[0, 1]]), ngram=5)
    rows = np.arange(2)
    choose_keepers(rows, rows, np.zeros(2, bool), pairs, np.ones(len(pairs)), threshold=0.8)
