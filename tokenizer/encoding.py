"""Turn text into token ids with a SentencePiece model or a `tokenizer.json`, exactly as its own library does."""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, Literal, Protocol

import numpy as np
import pyarrow as pa

from kakehi.arrays import Int64N

from .barring import bar_sentencepiece, bar_tokenizer_json
from .packed.indexed import Dtype, Ids, token_dtype

Kind = Literal["sentencepiece", "tokenizer.json"]


#: Ids of a model at most: sixteen times the largest that are used; what counts by id is as long as the highest.
MAX_IDS: Final = 1 << 22


class Encoder(Protocol):
    """What encodes; no text ever becomes one of its control pieces, however it is spelt."""

    @property
    def kind(self) -> Kind:
        """Name the library that reads the model."""

    @property
    def vocab_size(self) -> int:
        """Give the vocabulary's size: the highest id plus one."""

    @property
    def digest(self) -> str:
        """Sha256 of the model's bytes, in hex."""

    @property
    def dtype(self) -> Dtype:
        """Give the ids' dtype: see `token_dtype`."""

    @property
    def unknown_id(self) -> int | None:
        """What stands for text without a piece, None if that cannot be."""

    def piece(self, token: int) -> str:
        """Spell a piece as the model does; '' for an id without one."""

    def piece_id(self, piece: str) -> int:
        """Find the id of a piece; ValueError names pieces close to it."""

    def is_byte(self, token: int) -> bool:
        """Tell whether a piece stands for bytes that are no whole character, or for a byte `<0x41>`."""

    def encode(self, column: pa.Array, marks: Sequence[int] = ()) -> tuple[Ids, Int64N]:
        """Encode (large_)string[n] to the ids of all rows back to back and int64[n] lengths; null rows have 0.

        A text that spells one of `marks` is spelt in other pieces, as a control piece is.
        """

    def as_library(self, column: pa.Array) -> tuple[Ids, Int64N]:
        """Encode as the model's own library does, which may give control pieces to a text that spells them."""

    def decode(self, ids: Ids) -> str:
        """Give back the text, control pieces included where the library spells them."""


def open_encoder(model: bytes, kind: Kind) -> Encoder:
    """Open a model from its bytes.

    Raises:
        ValueError: the bytes are no such model, or the vocabulary has a size that Megatron's readers disagree on.
    """
    if kind not in _OPENERS:
        raise ValueError(f"kind: got {kind!r}, wanted one of {sorted(_OPENERS)}")
    return _OPENERS[kind](model)


def kind_of(path: Path) -> Kind:
    """Tell by the name of a model's file which library reads it."""
    return "tokenizer.json" if path.suffix == ".json" else "sentencepiece"


@dataclass(frozen=True, kw_only=True)
class _Model:
    kind: Kind
    vocab_size: int
    digest: str
    dtype: Dtype
    unknown_id: int | None


@dataclass(frozen=True, kw_only=True)
class _SentencePiece(_Model):
    _pieces: Any

    def encode(self, column: pa.Array, marks: Sequence[int] = ()) -> tuple[Ids, Int64N]:
        return _encode(self, column, tuple(marks))

    def piece(self, token: int) -> str:
        return str(self._pieces.id_to_piece(token))

    def piece_id(self, piece: str) -> int:
        token = int(self._pieces.piece_to_id(piece))
        if self.piece(token) != piece:
            raise _no_piece(piece, map(self.piece, range(self.vocab_size)))
        return token

    def is_byte(self, token: int) -> bool:
        return bool(self._pieces.is_byte(token))

    def barring(self, tokens: Sequence[int]) -> "_SentencePiece":
        return _open_sentencepiece(bar_sentencepiece(self._pieces.serialized_model_proto(), tokens))

    def as_library(self, column: pa.Array) -> tuple[Ids, Int64N]:
        # One thread, 32k unigram, prose: 36 MB/s, against 20 for lists of int; str instead of bytes costs 5 % more.
        texts = column.fill_null("").cast(pa.large_binary()).to_pylist()
        return _flat(self._pieces.encode(texts, return_type="numpy", num_threads=1), self.dtype)

    def decode(self, ids: Ids) -> str:
        return str(self._pieces.decode(ids.tolist()))


@dataclass(frozen=True, kw_only=True)
class _TokenizerJson(_Model):
    _controls: tuple[int, ...]
    _tokenizer: Any

    def encode(self, column: pa.Array, marks: Sequence[int] = ()) -> tuple[Ids, Int64N]:
        return _encode(self, column, (*self._controls, *marks))

    def piece(self, token: int) -> str:
        return self._tokenizer.id_to_token(token) or ""

    def piece_id(self, piece: str) -> int:
        token = self._tokenizer.token_to_id(piece)
        if token is None:
            raise _no_piece(piece, self._tokenizer.get_vocab())
        return int(token)

    def is_byte(self, token: int) -> bool:
        piece = self.piece(token)
        is_fallback = len(piece) == len("<0x41>") and piece.startswith("<0x") and piece.endswith(">")
        text = self._tokenizer.decode([token], skip_special_tokens=False)
        return is_fallback or (_REPLACEMENT in text and _REPLACEMENT not in piece)

    def barring(self, tokens: Sequence[int]) -> "_TokenizerJson":
        return _open_tokenizer_json(
            bar_tokenizer_json(self._tokenizer.to_str(), map(self.piece, tokens)).encode()
        )

    def as_library(self, column: pa.Array) -> tuple[Ids, Int64N]:
        # Batches of one stay on this thread: the library's pool knows no limit but the environment, and one
        # thread is as fast (5.1 MB/s against 5.5 on two; `encode` itself 3.4).
        encode = self._tokenizer.encode_batch_fast
        texts = column.fill_null("").to_pylist()
        try:
            rows = [encode([text], add_special_tokens=False)[0].ids if text else [] for text in texts]
        except Exception as error:  # the library has no kinds of errors
            raise ValueError(
                f"model: can't encode a text: {error}\n"
                "hint: it has a piece neither for a character nor for the unknown"
            ) from error
        return _flat(rows, self.dtype)

    def decode(self, ids: Ids) -> str:
        return str(self._tokenizer.decode(ids.tolist(), skip_special_tokens=False))


_REPLACEMENT: Final = "\ufffd"

_Library = _SentencePiece | _TokenizerJson


def _encode(encoder: _Library, column: pa.Array, barred: tuple[int, ...]) -> tuple[Ids, Int64N]:
    """Encode as the library does; rows that then hold a barred piece once more, by a model that never gives it."""
    ids, lengths = encoder.as_library(column)
    barred = tuple(token for token in barred if token != encoder.unknown_id)  # what nothing else can spell
    held = np.flatnonzero(np.isin(ids, barred)) if barred else ids[:0]
    if not len(held):
        return ids, lengths
    places = np.unique(np.searchsorted(np.cumsum(lengths), held, side="right"))
    spelt, counts = _barring(encoder, barred).as_library(column.take(pa.array(places)))
    rows = np.split(ids, np.cumsum(lengths)[:-1])
    for place, row in zip(places.tolist(), np.split(spelt, np.cumsum(counts)[:-1]), strict=True):
        rows[place] = row
    return _flat(rows, encoder.dtype)


@lru_cache(maxsize=4)
def _barring(encoder: _Library, tokens: tuple[int, ...]) -> _Library:
    return encoder.barring(tokens)


def _open_sentencepiece(model: bytes) -> _SentencePiece:
    import sentencepiece  # noqa: PLC0415 - heavy

    pieces = sentencepiece.SentencePieceProcessor()
    try:
        pieces.LoadFromSerializedProto(model)
    except RuntimeError as error:
        raise ValueError(f"model: got {len(model)} bytes, wanted a sentencepiece model: {error}") from error
    return _SentencePiece(
        kind="sentencepiece",
        vocab_size=pieces.vocab_size(),
        digest=sha256(model).hexdigest(),
        dtype=token_dtype(pieces.vocab_size()),
        unknown_id=pieces.unk_id(),
        _pieces=pieces,
    )


def _open_tokenizer_json(model: bytes) -> _TokenizerJson:
    import tokenizers  # noqa: PLC0415 - heavy

    try:
        tokenizer = tokenizers.Tokenizer.from_str(model.decode())
    except Exception as error:
        raise ValueError(f"model: got {len(model)} bytes, wanted a tokenizer.json: {error}") from error
    # A literal "</s>" in a text is text; what the file says of padding and truncation is not for corpora.
    tokenizer.encode_special_tokens = True
    tokenizer.no_truncation()
    tokenizer.no_padding()
    vocab_size = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=-1) + 1
    if vocab_size > MAX_IDS:
        raise ValueError(f"model: got an id of {vocab_size - 1:,}, wanted ids below {MAX_IDS:,}")
    written = json.loads(model)["model"]
    unknown = written.get("unk_token")
    if (
        unknown
        and written.get("type") in {"WordLevel", "WordPiece"}
        and tokenizer.token_to_id(unknown) is None
    ):
        raise ValueError(f"model: unk_token: got {unknown!r}, wanted one of its pieces")
    unknown_id = tokenizer.token_to_id(unknown) if unknown else written.get("unk_id")
    added = tokenizer.get_added_tokens_decoder().items()
    return _TokenizerJson(
        kind="tokenizer.json",
        vocab_size=vocab_size,
        digest=sha256(model).hexdigest(),
        dtype=token_dtype(vocab_size),
        unknown_id=unknown_id,
        # The library does not look for them, but its model may hold them among its own pieces.
        _controls=tuple(token for token, piece in added if piece.special and token != unknown_id),
        _tokenizer=tokenizer,
    )


_OPENERS: Final[dict[Kind, Callable[[bytes], Encoder]]] = {
    "sentencepiece": _open_sentencepiece,
    "tokenizer.json": _open_tokenizer_json,
}


def _flat(rows: list[Any], dtype: Dtype) -> tuple[Ids, Int64N]:
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    ids = np.empty(int(lengths.sum()), dtype)
    np.concatenate([ids[:0], *rows], out=ids, casting="unsafe")
    return ids, lengths


def _no_piece(piece: str, pieces: Iterable[str]) -> ValueError:
    close = get_close_matches(piece, list(pieces), n=3, cutoff=0.5)
    return ValueError(
        f"piece: got {piece!r}, wanted one of the vocabulary"
        + (f"\nhint: close to it are {close}" * bool(close))
    )
