"""Alter a model so that no text becomes some of its pieces: the library itself then spells these in others.

All ids stay what they are. Only texts that hold a piece's spelling are encoded by such a model.
"""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any, Final

_PIECES: Final = 0x0A  # field 1 of `ModelProto`, a message; so are all its other fields
_TYPE_CONTROL: Final = bytes([0x18, 3])  # field 3 of a piece, of which the last to stand there holds


def bar_sentencepiece(model: bytes, tokens: Iterable[int]) -> bytes:
    """Make pieces of a serialized model control pieces, whatever they were.

    Source: sentencepiece 0.2.3, `sentencepiece_model.proto`.
    """
    wanted = set(tokens)
    made, at, token = bytearray(), 0, 0
    while at < len(model):
        length, start = _varint(model, at + 1)
        message = model[start : start + length]
        if model[at] == _PIECES:
            message += _TYPE_CONTROL * (token in wanted)
            token += 1
        made += model[at : at + 1] + _as_varint(len(message)) + message
        at = start + length
    return bytes(made)


def bar_tokenizer_json(model: str, pieces: Iterable[str]) -> str:
    """Give pieces of a `tokenizer.json` names that no text has, and take away the merges that make them."""
    parsed = json.loads(model)
    digest = sha256(model.encode()).hexdigest()
    # A noncharacter in front: names are looked for in texts as the pieces were.
    names = {piece: f"\uffff{digest}{number}" for number, piece in enumerate(pieces)}
    for added in parsed["added_tokens"]:
        added["content"] = names.get(added["content"], added["content"])
    _rename(parsed["model"], names)
    return json.dumps(parsed, ensure_ascii=False)


def _rename(model: dict[str, Any], names: dict[str, str]) -> None:
    vocab = model["vocab"]
    if isinstance(vocab, list):  # Unigram's, by score
        model["vocab"] = [[names.get(piece, piece), score] for piece, score in vocab]
        return
    model["vocab"] = {names.get(piece, piece): token for piece, token in vocab.items()}
    if model.get("unk_token") in names:
        model["unk_token"] = names[model["unk_token"]]
    if "merges" in model:
        inside = len(model.get("continuing_subword_prefix") or "")
        model["merges"] = [
            [left, right]
            for left, right in model["merges"]
            if not names.keys() & {left, right, left + right[inside:]}
        ]


def _varint(blob: bytes, at: int) -> tuple[int, int]:
    """Read a number in base 128, lowest digit first; give it and the place behind it."""
    value = shift = 0
    while True:
        value |= (blob[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if blob[at - 1] < 0x80:
            return value, at


def _as_varint(value: int) -> bytes:
    made = bytearray()
    while value >= 0x80:
        made.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*made, value])
