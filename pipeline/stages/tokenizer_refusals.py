"""What `train` and `encode` refuse when the manifest is read: what would show only after the training, or in the midst of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import pyarrow as pa

from kakehi.filters.normalisation.normalise import settle
from kakehi.pipeline.errors import nearest
from kakehi.pipeline.sources.documents import Normalisation
from kakehi.pipeline.stages.stage import Asked, Fault
from kakehi.tokenizer.encoding import Encoder, kind_of, open_encoder
from kakehi.tokenizer.symbols import SPECIAL, fewest_pieces


def refuse_train(asked: Asked) -> Iterator[Fault]:
    """Refuse an existing model that can't be opened, symbols that clash or are never met, and too few pieces."""
    if asked.parameters["existing"] is not None:
        try:
            existing_encoder(asked.parameters)
        except ValueError as error:
            name = asked.parameters["existing"].name
            yield ("existing",), f"{name!r}: {error}".replace("\nhint: ", "; ")
        return
    user, control = asked.parameters["user_symbols"], asked.parameters["control_symbols"]
    for symbol in sorted(set(user) & set(control)):
        yield ("control_symbols",), f"{symbol!r} is a user symbol too: text becomes it, or does not"
    for symbol in user:
        yield from _refuse_unmet(symbol, asked.sources)
    size, fewest = asked.parameters["vocab_size"], fewest_pieces(user, control)
    if size < fewest:
        yield (
            ("vocab_size",),
            f"got {size}, wanted at least {fewest} for bytes and symbols alone, and more for characters",
        )


def _refuse_unmet(symbol: str, sources: Mapping[str, Mapping[str, Any]]) -> Iterator[Fault]:
    """Refuse a symbol that no source's text has once it is normalised."""
    asked = [source.get("normalise") for source in sources.values()]
    if (symbol.isascii() and symbol.isprintable()) or not asked or None in asked:
        return
    levels = [Normalisation.model_validate(value) for value in asked]
    text = f"あ{symbol}い"
    became = [settle(pa.array([text]), level.level, level.without).texts[0].as_py() for level in levels]
    if all(symbol not in other for other in became):
        instead = became[0][1:-1]
        # か + ◌゙ and が look alike.
        spell = ascii if normalize("NFC", symbol) == normalize("NFC", instead) else repr
        yield (
            ("user_symbols",),
            f"{spell(symbol)} would never be met: normalised, a text has {spell(instead)} there",
        )


def refuse_encode(asked: Asked) -> Iterator[Fault]:
    """Refuse marks that are one, and marks that the tokenizer does not have or that texts become."""
    marks = {name: asked.parameters[name] for name in ("eod", "bos") if asked.parameters[name] is not None}
    if marks.get("bos") == marks["eod"]:
        yield ("bos",), f"{marks['bos']!r} is eod too, so that no reader could tell a begin from an end"
    for tokenizer in asked.upstream["tokenizer"]:
        for name, mark in marks.items():
            said = _mark_fault(mark, tokenizer)
            if said:
                yield (name,), said


def _mark_fault(mark: str, tokenizer: Mapping[str, Any]) -> str | None:
    if tokenizer["existing"] is not None:
        return _missing(mark, tokenizer)
    user, pieces = tokenizer["user_symbols"], [*SPECIAL, *tokenizer["control_symbols"]]
    if mark in user:
        return f"{mark!r} is one of train.user_symbols, which texts become; name it in train.control_symbols"
    if mark not in pieces:
        return f"the tokenizer won't have {mark!r}{nearest(mark, pieces)} (more: train.control_symbols)"
    return None


def _missing(mark: str, tokenizer: Mapping[str, Any]) -> str | None:
    try:
        encoder = existing_encoder(tokenizer)
    except ValueError:
        return None  # is told of `train`
    return None if encoder is None else _fault_of(encoder, mark)


def _fault_of(encoder: Encoder, mark: str) -> str | None:
    """Say why a piece can't stand between documents, or None where it can."""
    try:
        token = encoder.piece_id(mark)
    except ValueError as error:
        return str(error).replace("\nhint: ", "; ")
    is_space = mark == "▁" or encoder.decode(np.array([token], np.int32)) == " "
    kind = "a piece of bytes" if encoder.is_byte(token) else "the space" if is_space else None
    return kind and f"{mark!r} is {kind}, which texts become and nothing else spells"


def vocab_sizes(tokenizers: Sequence[Mapping[str, Any]]) -> Iterator[int]:
    """Yield the sizes of the tokenizers that there will be, as far as the manifest tells them."""
    for tokenizer in tokenizers:
        try:
            encoder = existing_encoder(tokenizer)
        except ValueError:
            continue
        if tokenizer["existing"] is None or encoder is not None:
            yield tokenizer["vocab_size"] if encoder is None else encoder.vocab_size


def existing_encoder(tokenizer: Mapping[str, Any]) -> Encoder | None:
    """Open the model that `train` is told to take; None where there is none.

    Raises:
        ValueError: the file is no model.
    """
    path = tokenizer["existing"]
    if path is None or not path.is_file():
        return None
    if path.suffix not in {".model", ".json"}:
        raise ValueError("wanted a SentencePiece .model or a Hugging Face tokenizer.json")
    return _opened(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=2)
def _opened(path: Path, _mtime_ns: int) -> Encoder:
    return open_encoder(path.read_bytes(), kind_of(path))
