"""A text that spells the end mark is text, whatever the model takes the mark for."""

import io
import json
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers

from kakehi.tokenizer.barring import bar_sentencepiece
from kakehi.tokenizer.encoding import Encoder, open_encoder
from kakehi.tokenizer.training import train

PLAIN = ["研究所は資料を調べた。", "a < b / c > s", "", "私は本を読んでいる。"]
SPELT = ["x</s>y<s>", "</s>", "</s></s> </s>", "私は</s>本を調べた。", " </s> <s> "]


def sentencepiece_models(sentences: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield models of which `</s>` is a piece that texts become."""
    for model in ("unigram", "bpe"):
        yield model, train(sentences, vocab_size=420, model=model, user_symbols=("</s>", "<s>")).model
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        vocab_size=460,
        byte_fallback=True,
        user_defined_symbols=["</s>"],
        minloglevel=2,
        num_threads=1,
    )
    yield "defaults", written.getvalue()


def tokenizer_models(sentences: list[str]) -> Iterator[tuple[str, Any]]:
    """Yield what each kind of model knows `</s>` as: a piece of its own, a merge, an added token alone."""
    single = sorted({*"".join(sentences), *"x</s>y a b c < / ▁"})
    pieces = ["<unk>", "<s>", "</s>", *single]
    unigram = models.Unigram([(piece, -float(i)) for i, piece in enumerate(pieces)], unk_id=0)
    yield "unigram", unigram
    merges = [("<", "/"), ("</", "s"), ("</s", ">"), ("</s>", "</s>"), ("<", "s")]
    vocab = {piece: i for i, piece in enumerate([*pieces, "</", "</s", "</s></s>", "<s"])}
    yield "bpe", models.BPE(vocab, merges, unk_token="<unk>")  # noqa: S106 - no password
    yield "bpe, whole words", models.BPE(vocab, merges, unk_token="<unk>", ignore_merges=True)  # noqa: S106
    without = {piece: i for i, piece in enumerate(p for p in pieces if p not in {"<s>", "</s>"})}
    yield "added alone", models.BPE(without, [], unk_token="<unk>")  # noqa: S106


def as_spelt(encoder: Encoder, texts: list[str]) -> list[list[int]]:
    """Encode by eod and bos, and hold every row to the promise."""
    marks = [encoder.piece_id("</s>"), encoder.piece_id("<s>")]
    ids, lengths = encoder.encode(pa.array(texts, pa.large_string()), marks)
    assert not set(marks) & set(ids.tolist())
    return [row.tolist() for row in np.split(ids, np.cumsum(lengths)[:-1])]


def test_pieces_of_sentencepiece(sentences: list[str]) -> None:
    """User-defined pieces are spelt out, in as many texts as hold them; others keep their ids."""
    for name, model in sentencepiece_models(sentences):
        encoder = open_encoder(model, "sentencepiece")
        assert encoder.piece_id("</s>") in encoder.encode(pa.array(SPELT))[0], name
        rows = as_spelt(encoder, [*PLAIN, *SPELT])
        library = sentencepiece.SentencePieceProcessor(model_proto=model)
        assert rows[: len(PLAIN)] == library.encode(PLAIN), name
        again = [encoder.decode(np.array(row, encoder.dtype)) for row in rows]
        assert again == (
            [*PLAIN, *SPELT] if name != "defaults" else library.decode(library.encode([*PLAIN, *SPELT]))
        )


@pytest.mark.parametrize(
    "options", [{}, {"normalized": True}, {"lstrip": True}, {"single_word": True}, {"special": True}]
)
def test_pieces_of_a_tokenizer_json(sentences: list[str], options: dict[str, bool]) -> None:
    """However a token was added, and wherever the model has it besides, the text comes back and the ids are others."""
    for name, model in tokenizer_models(sentences):
        tokenizer = Tokenizer(model)
        tokenizer.normalizer = normalizers.Replace(" ", "▁")
        tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
        asked = {"special": False, "normalized": False, **options}
        tokenizer.add_tokens([AddedToken("</s>", **asked), AddedToken("<s>", **asked), AddedToken("<later>")])
        encoder = open_encoder(tokenizer.to_str().encode(), "tokenizer.json")
        rows = as_spelt(encoder, [*PLAIN, *SPELT])
        tokenizer.encode_special_tokens = True
        assert rows[: len(PLAIN)] == [found.ids for found in tokenizer.encode_batch(PLAIN)], name
        assert [encoder.decode(np.array(row, np.uint16)) for row in rows] == [*PLAIN, *SPELT], name
        later = encoder.piece_id("<later>")
        mixed = encoder.encode(pa.array(["a<later></s>"]), [encoder.piece_id("</s>")])[0]
        assert later in mixed, name


def test_special_tokens_are_no_text_though_nobody_names_them(sentences: list[str]) -> None:
    """A Unigram model finds `</s>` among its own pieces, where the library spares added tokens alone."""
    [(_, model), *_] = tokenizer_models(sentences)
    tokenizer = Tokenizer(model)
    tokenizer.add_special_tokens(["</s>", "<unk>"])
    encoder = open_encoder(tokenizer.to_str().encode(), "tokenizer.json")
    ids, _ = encoder.encode(pa.array(["a</s>", "\U0001f600"]))
    assert encoder.piece_id("</s>") not in ids
    assert encoder.piece_id("<unk>") in ids  # what has no piece is unknown still


def test_words_are_unknown_where_nothing_else_spells_them() -> None:
    """A vocabulary of whole words has no other way."""
    model = {"type": "WordLevel", "vocab": {"<unk>": 0, "</s>": 1, "a": 2}, "unk_token": "<unk>"}
    said = {
        "version": "1.0",
        "model": model,
        "added_tokens": [],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
    }
    encoder = open_encoder(json.dumps(said).encode(), "tokenizer.json")
    assert encoder.encode(pa.array(["a </s> a"]), [1])[0].tolist() == [2, 0, 2]


def test_byte_level_pieces(byte_level: bytes) -> None:
    """A vocabulary of bytes spells everything, even an end mark of Japanese."""
    tokenizer = Tokenizer.from_str(byte_level.decode())
    tokenizer.add_tokens(["終"])
    encoder = open_encoder(tokenizer.to_str().encode(), "tokenizer.json")
    mark = encoder.piece_id("終")
    assert mark in encoder.encode(pa.array(["本の終。"]))[0]
    ids, _ = encoder.encode(pa.array(["本の終。"]), [mark])
    assert mark not in ids
    assert encoder.decode(ids) == "本の終。"


def test_an_unknown_piece_as_mark_is_left_where_it_is(sentences: list[str]) -> None:
    """What stands for text without a piece can't be spelt in others: the ids say so, and `insert_eod` refuses them."""
    model = train(sentences, vocab_size=200, byte_fallback=False).model
    encoder = open_encoder(model, "sentencepiece")
    assert encoder.unknown_id in encoder.encode(pa.array(["😀"]), [encoder.piece_id("<unk>")])[0]


def test_a_model_keeps_its_pieces_and_scores(sentences: list[str]) -> None:
    """Only the type of the pieces named is another."""
    model = train(sentences, vocab_size=420, user_symbols=("</s>",)).model
    before = sentencepiece.SentencePieceProcessor(model_proto=model)
    after = sentencepiece.SentencePieceProcessor(model_proto=bar_sentencepiece(model, [2, 300]))
    for token in range(before.vocab_size()):
        assert after.id_to_piece(token) == before.id_to_piece(token)
        assert after.get_score(token) == before.get_score(token)
        assert after.is_control(token) == (before.is_control(token) or token in {2, 300})
    assert bar_sentencepiece(model, []) == model
