"""Read a SentencePiece model's file: what its own library uses, but does not tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple


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

    Raises:
        ValueError: it is no such file.
    """
    proto = parse_model(model)
    trainer, normaliser = proto.trainer_spec, proto.normalizer_spec
    pieces = tuple(Piece(piece.piece, piece.score, Use(piece.type)) for piece in proto.pieces)
    fixed = {piece.text for piece in pieces if piece.use in {Use.UNKNOWN, Use.CONTROL}}
    named = {role: getattr(trainer, f"{role}_piece") for role in ("unk", "bos", "eos", "pad")}
    return SentencePieceFile(
        pieces=pieces,
        algorithm=trainer.ModelType.Name(trainer.model_type).lower(),
        byte_fallback=trainer.byte_fallback,
        charsmap=normaliser.precompiled_charsmap,
        dummy_prefix=normaliser.add_dummy_prefix,
        remove_extra_whitespaces=normaliser.remove_extra_whitespaces,
        escape_whitespaces=normaliser.escape_whitespaces,
        whitespace_as_suffix=trainer.treat_whitespace_as_suffix,
        denormalises=bool(proto.denormalizer_spec.precompiled_charsmap),
        roles={role: piece for role, piece in named.items() if piece in fixed},
    )


def parse_model(model: bytes) -> Any:
    """Parse a model's file into SentencePiece's own message.

    Returns:
        ModelProto.

    Raises:
        ValueError: it is no such file.
    """
    from google.protobuf.message import DecodeError  # noqa: PLC0415 - heavy
    from sentencepiece.sentencepiece_model_pb2 import ModelProto  # noqa: PLC0415 - heavy

    try:
        return ModelProto.FromString(model)
    except DecodeError as error:
        raise ValueError(f"model: got {len(model)} bytes, wanted a sentencepiece model: {error}") from error
