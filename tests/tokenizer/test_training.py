"""Training repeats itself, loses nothing, and explains a vocabulary that is too large."""

import re

import pytest
import sentencepiece

from kakehi.tokenizer.training import Trained, train
from kakehi.tokenizer.words import segment


def _pieces(model: bytes) -> list[str]:
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    return [processor.id_to_piece(i) for i in range(processor.vocab_size())]


@pytest.mark.parametrize("model", ["unigram", "bpe"])
@pytest.mark.parametrize("segmenter", [None, "unidic-lite"])
def test_the_same_sentences_give_the_same_bytes(sentences: list[str], model, segmenter) -> None:
    """Two trainings agree byte for byte."""
    first, second = (train(sentences, vocab_size=370, model=model, segmenter=segmenter) for _ in range(2))
    assert first == second
    assert len(_pieces(first.model)) == 370


@pytest.mark.parametrize(
    "text",
    [
        "一行目\n二行目\n\n\n五行目\n",
        "\n先頭の改行",
        "  two  spaces  and a tail ",
        "\t字下げ\t表\r\n",
        "　全角　　空白",
        "😀👨\u200d👩\u200d👧か\u3099𠮷",
        " ",
        "",
        "</s><s><unk><0x41>",
        "未知の鬱な字\0と制御",
    ],
)
@pytest.mark.parametrize("model", ["unigram", "bpe"])
def test_decoding_gives_back_the_text(sentences: list[str], unigram: Trained, text: str, model) -> None:
    """Newlines, tabs, runs of spaces and characters without a piece come back exactly."""
    trained = unigram if model == "unigram" else train(sentences, vocab_size=420, model="bpe")
    processor = sentencepiece.SentencePieceProcessor(model_proto=trained.model)
    ids = processor.encode(text)
    assert processor.decode(ids) == text
    assert not any(processor.is_control(i) or processor.is_unknown(i) for i in ids)


def test_the_newline_is_a_piece_and_no_space_stands_in_front(unigram: Trained) -> None:
    """A line begins the same behind a newline as at the start of a text."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=unigram.model)
    first, second = processor.encode("東京都"), processor.encode("\n東京都")
    assert second == [processor.piece_to_id("\n"), *first]


def test_segmented_training_crosses_no_word_border(sentences: list[str], unigram: Trained) -> None:
    """Every longer piece lies within a word of UniDic's; without a segmenter some do not."""
    words = {word for sentence in sentences for word in segment(sentence)}
    segmented = _pieces(train(sentences, vocab_size=378, segmenter="unidic-lite").model)
    assert _crossing(segmented, words) == []
    assert _crossing(_pieces(unigram.model), words)
    assert {"データ", "手紙"} <= set(segmented)


def test_a_segmented_model_needs_no_segmenter(sentences: list[str]) -> None:
    """Plain text of several words encodes to the pieces within them, and round-trips."""
    model = train(sentences, vocab_size=378, segmenter="unidic-lite").model
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    assert processor.decode(processor.encode(sentences[0])) == sentences[0]
    assert len(processor.encode(sentences[0])) < len(sentences[0])


@pytest.mark.parametrize("model", ["unigram", "bpe"])
def test_too_large_a_vocabulary_names_the_largest(sentences: list[str], model) -> None:
    """The message says what would do, and that does."""
    with pytest.raises(
        ValueError, match=r"vocab_size: got 9999 for 600 sentences, wanted at most \d+\nhint"
    ) as error:
        train(sentences, vocab_size=9999, model=model)
    largest = re.search(r"at most (\d+)", str(error.value))
    assert largest
    assert len(_pieces(train(sentences, vocab_size=int(largest[1]), model=model).model)) == int(largest[1])


def test_too_small_a_vocabulary_is_explained(sentences: list[str]) -> None:
    """Bytes and characters alone may be more than was asked for."""
    with pytest.raises(ValueError, match=r"vocab_size: got 300 .* wanted at least \d+"):
        train(sentences, vocab_size=300)


def test_faults_of_the_sentences_come_out_as_they_are() -> None:
    """A long or broken line, no line at all, and an error of the caller's own iterator."""
    with pytest.raises(ValueError, match=r"sentence 1: got 5000 bytes beginning 'aaa.*\n.*cut_lines"):
        train(["b", "a" * 5000])
    with pytest.raises(ValueError, match="sentence 0: got 3 bytes"):
        train(["a\nb"])
    with pytest.raises(ValueError, match="got 0 sentences without text"):
        train([])
    with pytest.raises(ZeroDivisionError):
        train(str(1 // n) for n in (1, 0))


def test_characters_that_sentencepiece_keeps_for_itself_cost_no_line(sentences: list[str]) -> None:
    """A line with NUL or U+2585 is still learnt from."""
    pieces = _pieces(train([*sentences, "鬱▅", "薔\0"], vocab_size=400, character_coverage=1.0).model)
    assert {"鬱", "薔"} <= set(pieces)


def test_symbols_are_pieces(sentences: list[str]) -> None:
    """User symbols are taken whole wherever they stand; control symbols never come out of a text."""
    trained = train(
        sentences, vocab_size=400, user_symbols=("<|x|>", 'a,"b'), control_symbols=("<|endoftext|>",)
    )
    processor = sentencepiece.SentencePieceProcessor(model_proto=trained.model)
    assert processor.encode('本<|x|>a,"b', out_type=str) == ["本", "<|x|>", 'a,"b']
    assert processor.is_control(processor.piece_to_id("<|endoftext|>"))
    assert processor.piece_to_id("<|endoftext|>") not in processor.encode("<|endoftext|>")


def test_the_vocabulary_has_one_line_a_piece(unigram: Trained) -> None:
    """The newline piece does not break its line."""
    lines = unigram.vocab.splitlines()
    assert len(lines) == 420
    assert lines[3].split("\t")[0] == "\\n"


def test_training_is_silent(sentences: list[str], capfd: pytest.CaptureFixture[str]) -> None:
    """Nothing goes to standard error or output."""
    train(sentences, vocab_size=400)
    assert capfd.readouterr() == ("", "")


def _crossing(pieces: list[str], words: set[str]) -> list[str]:
    japanese = [p for p in pieces if len(p) > 1 and not p.startswith("<")]
    return [piece for piece in japanese if not any(piece in word for word in words)]
