"""Write a tokenizer as Hugging Face reads it: `tokenizer.json` and its config, with the ids that `encode` packs."""

import json
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final

from .encoding import Kind
from .sentencepiece_file import Piece, SentencePieceFile, Use, read_model

_SPACE: Final = "▁"


def write_tokenizer_json(model: bytes) -> str:
    """Write a SentencePiece model as the `tokenizer.json` that gives its ids.

    Args:
        model: unigram or BPE, as SentencePiece reads it.

    Returns:
        JSON; the same model gives the same.

    Raises:
        ValueError: it does what the tokenizers library can't do.
    """
    import tokenizers  # noqa: PLC0415 - heavy

    file = read_model(model)
    for fault in _beyond(file):
        raise ValueError(f"model: {fault}")
    made = tokenizers.Tokenizer(_unigram(file) if file.algorithm == "unigram" else _bpe(file))
    made.normalizer = tokenizers.normalizers.Sequence(list(_normalisers(file, composes=_composes(model))))
    if file.algorithm == "unigram":
        seams = tokenizers.Regex(_seams(file))
        made.pre_tokenizer = tokenizers.pre_tokenizers.Split(seams, "merged_with_previous")
    made.decoder = tokenizers.decoders.Sequence(_decoders(file))
    made.add_special_tokens(_added(file.pieces, Use.UNKNOWN, Use.CONTROL, special=True))
    if file.algorithm == "bpe":
        made.add_tokens(_added(file.pieces, Use.USER_DEFINED, special=False))
    return str(made.to_str(pretty=True))


def write_config(model: bytes, kind: Kind) -> str:
    """Write the `tokenizer_config.json` with which transformers opens the `tokenizer.json` beside it, and no other class.

    Args:
        model: SentencePiece's, or a `tokenizer.json`.
        kind: which of these.

    Returns:
        JSON. It names the pieces that stand for begin, end, padding and unknown, as far as the model has them, and says
        that none of them comes of a text.
    """
    roles = read_model(model).roles if kind == "sentencepiece" else _guessed_roles(json.loads(model))
    config = {
        # Without a class transformers takes that of the configuration beside it: Llama's gave other ids in 60 of 60 texts.
        "tokenizer_class": "PreTrainedTokenizerFast",
        **{f"{role}_token": piece for role, piece in roles.items()},
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
    }
    return json.dumps(config, ensure_ascii=False, indent=2) + "\n"


def _guessed_roles(tokenizer: dict[str, Any]) -> dict[str, str]:
    """Name the special tokens of a `tokenizer.json`, which does not say what they are for, by how they are spelt."""
    special = {token["content"] for token in tokenizer.get("added_tokens") or () if token["special"]}
    unknown = tokenizer["model"].get("unk_token")
    usual = {
        "unk": (unknown,),
        "bos": ("<s>", "<bos>", "<|begin_of_text|>", "<|startoftext|>"),
        "eos": ("</s>", "<eos>", "<|end_of_text|>", "<|endoftext|>", "<EOD>"),
        "pad": ("<pad>", "[PAD]", "<|pad|>"),
    }
    found = {role: [piece for piece in pieces if piece in special] for role, pieces in usual.items()}
    return {role: pieces[0] for role, pieces in found.items() if pieces}


def _beyond(file: SentencePieceFile) -> Iterator[str]:
    uses = [piece.use for piece in file.pieces]
    if file.algorithm not in {"unigram", "bpe"}:
        yield f"got {file.algorithm!r}, wanted 'unigram' or 'bpe'"
    if uses.count(Use.UNKNOWN) != 1:
        yield f"got {uses.count(Use.UNKNOWN)} unknown pieces, wanted one"
    if file.whitespace_as_suffix or file.denormalises:
        yield "got one that puts spaces behind words or maps characters back, wanted neither"
    if file.algorithm == "bpe" and Use.UNUSED in uses:
        yield f"got {uses.count(Use.UNUSED)} unused pieces, wanted none in a BPE model"
    if short := [piece.text for piece in file.pieces if piece.use not in _SPELT and len(piece.text) == 1]:
        yield f"got {short[0]!r} as a piece that no text becomes, wanted two characters or more"


#: Pieces that a text can become by its characters.
_SPELT: Final = frozenset({Use.NORMAL, Use.USER_DEFINED})


def _unigram(file: SentencePieceFile) -> Any:
    from tokenizers import models  # noqa: PLC0415 - heavy

    vocab = [(piece.text, _score(piece)) for piece in file.pieces]
    [unknown] = [at for at, piece in enumerate(file.pieces) if piece.use == Use.UNKNOWN]
    return models.Unigram(vocab, unk_id=unknown, byte_fallback=file.byte_fallback)


def _score(piece: Piece) -> float:
    """Score a piece as SentencePiece 0.2.3 does in `unigram_model.cc`: user-defined ones by length, in float32."""
    if piece.use == Use.USER_DEFINED:
        [score] = struct.unpack("<f", struct.pack("<f", 0.1 * (len(piece.text.encode()) - 1)))
        return float(score)
    # Pieces that no text becomes have 0, or the library takes the lowest of all for that of the unknown.
    return piece.score if piece.use == Use.NORMAL else 0.0


def _bpe(file: SentencePieceFile) -> Any:
    from tokenizers import models  # noqa: PLC0415 - heavy

    normal = {piece.text: at for at, piece in enumerate(file.pieces) if piece.use == Use.NORMAL}
    ranked = sorted((-file.pieces[at].score, at, text) for text, at in normal.items())
    merges = [
        (text[:cut], text[cut:])
        for _, _, text in ranked
        for cut in range(1, len(text))
        if text[:cut] in normal and text[cut:] in normal
    ]
    [unknown] = [piece.text for piece in file.pieces if piece.use == Use.UNKNOWN]
    vocab = {piece.text: at for at, piece in enumerate(file.pieces)}
    return models.BPE(vocab, merges, unk_token=unknown, fuse_unk=True, byte_fallback=file.byte_fallback)


def _composes(model: bytes) -> bool:
    import sentencepiece  # noqa: PLC0415 - heavy

    return "が" in sentencepiece.SentencePieceProcessor(model_proto=model).normalize("か\u3099")


def _normalisers(file: SentencePieceFile, *, composes: bool) -> Iterator[Any]:
    from tokenizers import Regex, normalizers  # noqa: PLC0415 - heavy

    if file.charsmap:
        # The library looks up one character after another; SentencePiece's map has ﾊ + ﾟ and か + ◌゙ as well.
        mapped = [normalizers.Precompiled(file.charsmap), *([normalizers.NFC()] if composes else [])]
        yield from _shielded(file, normalizers.Sequence(mapped))
    if file.remove_extra_whitespaces:
        yield normalizers.Replace(Regex(rf"\A +|[ {_SPACE}]+\z"), "")
        yield normalizers.Replace(Regex(" {2,}"), " ")
    if file.dummy_prefix:
        yield normalizers.Prepend(" ")
    if file.escape_whitespaces:
        yield normalizers.Replace(" ", _SPACE)
    if file.algorithm == "unigram" and not file.byte_fallback:
        # Of unknown characters alone it can't be cut: two unknown pieces would stand for one. One character says the same.
        known = _characters(file)
        dead = [piece.text for piece in file.pieces if piece.use not in _SPELT]
        yield from (normalizers.Replace(text, text[0]) for text in dead if not known & {*text})


def _shielded(file: SentencePieceFile, normaliser: Any) -> Iterator[Any]:
    """Keep user-defined pieces from the normalisation: a private character stands for each that it would change."""
    from tokenizers import normalizers  # noqa: PLC0415 - heavy

    wanted = [piece.text for piece in file.pieces if piece.use == Use.USER_DEFINED]
    changed = sorted(
        (text for text in wanted if normaliser.normalize_str(text) != text), key=len, reverse=True
    )
    stand_ins = [chr(0x10F000 + at) for at in range(len(changed))]
    yield from map(normalizers.Replace, changed, stand_ins)
    yield normaliser
    yield from map(normalizers.Replace, stand_ins, changed)


def _decoders(file: SentencePieceFile) -> list[Any]:
    from tokenizers import decoders  # noqa: PLC0415 - heavy

    made = [decoders.Replace(_SPACE, " "), decoders.ByteFallback(), decoders.Fuse()]
    return [*made, decoders.Strip(" ", 1, 0)] if file.dummy_prefix else made


def _added(pieces: Iterable[Piece], *uses: Use, special: bool) -> list[Any]:
    from tokenizers import AddedToken  # noqa: PLC0415 - heavy

    return [
        AddedToken(piece.text, special=special, normalized=False) for piece in pieces if piece.use in uses
    ]


def _characters(file: SentencePieceFile) -> set[str]:
    return {piece.text for piece in file.pieces if piece.use in _SPELT and len(piece.text) == 1}


def _seams(file: SentencePieceFile) -> str:
    """Give a pattern that ends inside every piece which no text may become, where it is spelt in a text.

    The library finds all pieces in a text, bytes and control pieces too. Cut there, it can't; and where no other piece
    crosses the cut, the best way through the text stays the same.
    """
    unspelt = [piece.text for piece in file.pieces if piece.use not in _SPELT]
    known = _characters(file)
    rests: dict[str, list[str]] = {}
    for text, free in zip(unspelt, _free_cuts(file, unspelt), strict=True):
        # Unknown characters side by side are one unknown piece, unless they are spelt in bytes.
        cuts = [at for at in free if file.byte_fallback or known & {*text[at - 1 : at + 1]}]
        cut = [*cuts, *free, 1][0]
        rests.setdefault(text[:cut], []).append(text[cut:])
    return "|".join(
        f"{re.escape(first)}(?={'|'.join(map(re.escape, rest))})" for first, rest in rests.items()
    )


def _free_cuts(file: SentencePieceFile, texts: list[str]) -> Iterator[list[int]]:
    """Yield for each text the places inside that no piece can cross, whatever stands around it."""
    spelt = [piece.text for piece in file.pieces if piece.use in _SPELT]
    inside, every = {*spelt}, "\0".join(spelt)
    wanted = {part for text in texts for at in range(len(text)) for part in (text[:at], text[at:])}
    # How a piece that begins before a text ends in it, and how one that ends behind it begins in it.
    heads = {end for piece in spelt for at in range(1, len(piece)) if (end := piece[at:]) in wanted}
    tails = {start for piece in spelt for at in range(1, len(piece)) if (start := piece[:at]) in wanted}
    for text in texts:
        size = len(text)
        yield [
            cut
            for cut in range(1, size)
            if not any(text[:stop] in heads for stop in range(cut + 1, size + 1))
            and not any(text[start:] in tails for start in range(cut))
            and not any(
                text[start:stop] in inside for start in range(cut) for stop in range(cut + 1, size + 1)
            )
            and text not in every
        ]
