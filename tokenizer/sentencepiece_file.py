"""Read a SentencePiece model's file: what its own library uses, but does not tell."""

import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple


class Use(IntEnum):
    """What a piece is for."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


class Piece(NamedTuple):
    """A piece as the file has it; the score is a float32."""

    text: str
    score: float
    use: Use


@dataclass(frozen=True, kw_only=True)
class SentencePieceFile:
    """The pieces, and what is done to a text before it is cut into them.

    Args:
        pieces: by id.
        algorithm: `unigram`, `bpe`, `word` or `char`.
        byte_fallback: spell characters without a piece in bytes.
        charsmap: the normalisation's compiled map; empty for none.
        dummy_prefix: put a space before the text.
        remove_extra_whitespaces: strip spaces, and make one of several.
        escape_whitespaces: spell a space as U+2581.
        whitespace_as_suffix: pieces end with the space instead of beginning with it.
        denormalises: map characters back when decoding.
        roles: the pieces that stand for `unk`, `bos`, `eos` and `pad`, by role; what the model lacks is not named.
    """

    pieces: tuple[Piece, ...]
    algorithm: str
    byte_fallback: bool
    charsmap: bytes
    dummy_prefix: bool
    remove_extra_whitespaces: bool
    escape_whitespaces: bool
    whitespace_as_suffix: bool
    denormalises: bool
    roles: Mapping[str, str]


def read_model(model: bytes) -> SentencePieceFile:
    """Read a model that SentencePiece itself has opened.

    Source: sentencepiece_model.proto of SentencePiece 0.2, its field numbers and defaults.

    Raises:
        ValueError: it is no such file.
    """
    parts: dict[int, list[bytes]] = {1: [], 2: [], 3: [], 5: []}
    for field, value in _fields(model):
        if field in parts and isinstance(value, bytes):
            parts[field].append(value)
    trainer, normaliser, denormaliser = (
        dict(item for part in parts[field] for item in _fields(part)) for field in (2, 3, 5)
    )
    pieces = tuple(map(_piece, parts[1]))
    named = {role: bytes(trainer.get(*name)).decode() for role, name in _ROLES.items()}
    fixed = {piece.text for piece in pieces if piece.use in {Use.UNKNOWN, Use.CONTROL}}
    return SentencePieceFile(
        pieces=pieces,
        algorithm=_ALGORITHMS[int(trainer.get(3, 1))],
        byte_fallback=bool(trainer.get(35, 0)),
        charsmap=bytes(normaliser.get(2, b"")),
        dummy_prefix=bool(normaliser.get(3, 1)),
        remove_extra_whitespaces=bool(normaliser.get(4, 1)),
        escape_whitespaces=bool(normaliser.get(5, 1)),
        whitespace_as_suffix=bool(trainer.get(24, 0)),
        denormalises=bool(denormaliser.get(2, b"")),
        roles={role: piece for role, piece in named.items() if piece in fixed},
    )


_ROLES: Final = {"unk": (45, b"<unk>"), "bos": (46, b"<s>"), "eos": (47, b"</s>"), "pad": (48, b"<pad>")}
_ALGORITHMS: Final = {1: "unigram", 2: "bpe", 3: "word", 4: "char"}


def _piece(message: bytes) -> Piece:
    fields = dict(_fields(message))
    [score] = struct.unpack("<f", bytes(fields.get(2, bytes(4))))
    return Piece(bytes(fields.get(1, b"")).decode(), score, Use(int(fields.get(3, 1))))


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Yield the fields of a protobuf message: numbers as they are, all else as bytes."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if kind == 2:
            size, at = _varint(message, at)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"model: got wire type {kind} at byte {at}, wanted a sentencepiece model")
        yield key >> 3, message[at : at + size]
        at += size


_FIXED: Final = {1: 8, 5: 4}


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
