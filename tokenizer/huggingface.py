"""Write a tokenizer as Hugging Face reads it: `tokenizer.json` and its config, with the ids that `encode` packs."""

import json
import re
import struct
from collections.abc import Iterable, Iterator
from typing import Any, Final, NamedTuple

import numpy as np
import pyarrow as pa

from .encoding import Encoder, Kind
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


class Comparison(NamedTuple):
    """Texts that two tokenizers were given, and how many have other ids; the same of their lines."""

    documents: int
    differing: int
    lines: int
    differing_lines: int


def compare(encoder: Encoder, twin: Encoder, texts: Iterable[str]) -> Comparison:
    """Count the texts that a twin encodes otherwise, or decodes otherwise where no piece is unknown.

    SentencePiece adds float32 over a whole text, the tokenizers library float64: in a long text, or between ways of one
    score, they differ now and then. A twin that is wrong differs in short lines too.
    """
    documents = differing = lines = differing_lines = 0
    for text in texts:
        documents += 1
        lines += text.count("\n") + 1
        if _differs(encoder, twin, text):
            differing += 1
            differing_lines += sum(_differs(encoder, twin, line) for line in text.split("\n"))
    return Comparison(documents, differing, lines, differing_lines)


def refuse_other_ids(encoder: Encoder, twin: Encoder, model: bytes, found: Comparison) -> None:
    """Refuse a twin that is wrong: other pieces, other ids of texts made to show it, or of over 1 % of the lines compared.

    Raises:
        ValueError: with the first text.
    """
    pieces = [[one.piece(at) for at in range(one.vocab_size)] for one in (encoder, twin)]
    if pieces[0] != pieces[1]:
        raise ValueError(
            f"tokenizer.json: got {len(pieces[1])} pieces, wanted the model's own {len(pieces[0])}"
        )
    for probe in _probes(model) if encoder.kind == "sentencepiece" else ():
        if _differs(encoder, twin, probe):
            raise ValueError(
                f"tokenizer.json: got other ids or another text of {probe!r}, wanted the model's own"
            )
    if _WRONG * found.differing_lines > found.lines:
        raise ValueError(
            f"tokenizer.json: got other ids in {found.differing_lines:,} of {found.lines:,} lines, wanted the model's own"
        )


#: One line in so many may differ.
_WRONG: Final = 100


def _probes(model: bytes) -> Iterator[str]:
    """Yield texts that show what is done wrongly: what is spelt like a piece that no text becomes, spaces, rare characters."""
    yield from (
        "",
        " ",
        "  a  b ",
        "\n\n",
        "a\n b",
        "\ta",
        "①㈱髙𠮷🤗",
        "a▁b",
        "\u3000字\u3000",
        "か\u3099ﾊﾟ",
        "12,345",
    )
    for piece in (piece.text for piece in read_model(model).pieces if piece.use != Use.NORMAL):
        yield from (piece, f"x{piece}y", f"日本{piece}日本", f"\n{piece} ", piece * 2)


def _differs(encoder: Encoder, twin: Encoder, text: str) -> bool:
    column = pa.array([text], pa.large_string())
    ids, other = encoder.encode(column)[0], twin.encode(column)[0]
    if not np.array_equal(ids, other):
        return True
    return encoder.unknown_id not in ids and encoder.decode(ids) != twin.decode(ids)


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
    spelt = [piece.text for piece in file.pieces if piece.use in _SPELT]
    crossing = {text[at : at + 2] for text in spelt for at in range(len(text) - 1)}
    known = _characters(file)
    rests: dict[str, list[str]] = {}
    for text in (piece.text for piece in file.pieces if piece.use not in _SPELT):
        pairs = [(at, text[at - 1 : at + 1]) for at in range(1, len(text))]
        free = [(at, pair) for at, pair in pairs if pair not in crossing]
        # Unknown characters side by side are one unknown piece, unless they are spelt in bytes.
        cuts = [at for at, pair in free if file.byte_fallback or known & {*pair}]
        cut = [*cuts, *(at for at, _ in free), 1][0]
        rests.setdefault(text[:cut], []).append(text[cut:])
    return "|".join(
        f"{re.escape(first)}(?={'|'.join(map(re.escape, rest))})" for first, rest in rests.items()
    )
