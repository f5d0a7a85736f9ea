"""The evaluation's counts can be done by hand."""

import math

import pyarrow as pa
import pytest

from kakehi.tokenizer.encoding import open_encoder
from kakehi.tokenizer.evaluation import evaluate
from kakehi.tokenizer.training import Trained, train


def test_counts_add_up(unigram: Trained, sentences: list[str]) -> None:
    """Documents over several batches are all counted."""
    encoder = open_encoder(unigram.model, "sentencepiece")
    result = evaluate(encoder, iter(sentences))
    assert result.tokens == len(encoder.encode(pa.array(sentences))[0])
    assert result.documents == 600
    assert result.characters == sum(map(len, sentences))
    assert result.bytes == sum(len(s.encode()) for s in sentences)
    assert result.characters_per_token == result.characters / result.tokens > 1.5
    assert (result.byte_fallback_share, result.unknown_share, result.round_trip_failures) == (0, 0, 0)
    assert result.vocab_size == 420
    assert 256 <= result.unused_pieces < 420
    assert len(result.longest_pieces[0]) == max(map(len, result.longest_pieces)) <= 16


def test_bytes_and_failures_are_counted(unigram: Trained) -> None:
    """An emoji is four byte tokens; U+2581 is the one character that does not come back."""
    result = evaluate(open_encoder(unigram.model, "sentencepiece"), ["😀", "は", "a▁b"])
    assert result.byte_tokens >= 4
    assert result.round_trip_failures == 1


def test_unknown_text_is_counted(sentences: list[str]) -> None:
    """Without byte fallback a new character is unknown, and lost."""
    encoder = open_encoder(train(sentences, vocab_size=150, byte_fallback=False).model, "sentencepiece")
    result = evaluate(encoder, ["は鬱は"])
    assert (result.unknown_tokens, result.round_trip_failures) == (1, 1)
    assert result.unknown_share == 1 / result.tokens


def test_a_byte_level_model_is_evaluated(byte_level: bytes, sentences: list[str]) -> None:
    """The same counts for a `tokenizer.json`."""
    result = evaluate(open_encoder(byte_level, "tokenizer.json"), [*sentences, "😀"])
    assert result.round_trip_failures == 0
    assert result.byte_tokens >= 4


@pytest.mark.parametrize("texts", [[], [""]])
def test_nothing_has_no_share(unigram: Trained, texts: list[str]) -> None:
    """A share of no tokens is NaN."""
    result = evaluate(open_encoder(unigram.model, "sentencepiece"), texts)
    assert result.documents == len(texts)
    assert math.isnan(result.characters_per_token)
