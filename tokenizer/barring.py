"""Alter a model so that no text becomes some of its pieces: the library itself then spells these in others.

All ids stay what they are. Only texts that hold a piece's spelling are encoded by such a model.
"""

import json
from collections.abc import Iterable
from hashlib import sha256
from typing import Any

from .sentencepiece_file import Use, parse_model


def bar_sentencepiece(model: bytes, tokens: Iterable[int]) -> bytes:
    """Make pieces of a serialized model control pieces, whatever they were."""
    proto = parse_model(model)
    for token in tokens:
        proto.pieces[token].type = Use.CONTROL
    return bytes(proto.SerializeToString())


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
