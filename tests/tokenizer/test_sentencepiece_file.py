"""A model's file says what SentencePiece itself says of it."""

import io

import pytest
import sentencepiece

from kakehi.tokenizer.sentencepiece_file import Use, read_model
from kakehi.tokenizer.training import Trained, train


def test_the_pieces_are_those_that_sentencepiece_reads(unigram: Trained) -> None:
    """Spelling, score and use of each; our models take text as it is."""
    theirs = sentencepiece.SentencePieceProcessor(model_proto=unigram.model)
    file = read_model(unigram.model)
    assert [piece.text for piece in file.pieces] == [theirs.id_to_piece(i) for i in range(420)]
    assert [piece.score for piece in file.pieces] == [theirs.get_score(i) for i in range(420)]
    for use, asked in ((Use.BYTE, theirs.is_byte), (Use.CONTROL, theirs.is_control)):
        assert [piece.use == use for piece in file.pieces] == [asked(i) for i in range(420)]
    assert [piece.text for piece in file.pieces if piece.use == Use.USER_DEFINED] == ["\n"]
    assert (file.algorithm, file.byte_fallback, file.charsmap, file.escape_whitespaces) == (
        *("unigram", True, b""),
        True,
    )
    assert (
        not file.dummy_prefix | file.remove_extra_whitespaces | file.whitespace_as_suffix | file.denormalises
    )
    assert file.roles == {"unk": "<unk>", "bos": "<s>", "eos": "</s>"}


def test_defaults_and_roles_are_read(sentences: list[str]) -> None:
    """What SentencePiece leaves out of the file is on, and pieces have the roles that the model gives them."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        model_type="bpe",
        vocab_size=150,
        pad_id=3,
        eos_piece="[end]",
        bos_id=-1,
        minloglevel=2,
    )
    file = read_model(written.getvalue())
    assert (file.algorithm, file.byte_fallback) == ("bpe", False)
    assert file.dummy_prefix
    assert file.remove_extra_whitespaces
    assert len(file.charsmap) > 100_000
    assert file.roles == {"unk": "<unk>", "eos": "[end]", "pad": "<pad>"}


def test_control_symbols_and_a_damaged_file(sentences: list[str]) -> None:
    """A control symbol spelt like padding is padding; bytes that are no message are refused."""
    model = train(sentences, vocab_size=420, control_symbols=("<pad>",)).model
    assert read_model(model).roles["pad"] == "<pad>"
    with pytest.raises(ValueError, match=r"got \d+ bytes, wanted a sentencepiece model"):
        read_model(b"\x0f" + model)
