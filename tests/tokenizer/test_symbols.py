"""The library is the judge: what is refused it refuses, loses or never uses; what is taken is whole wherever it stands."""

import pyarrow as pa
import pytest

from kakehi.tokenizer.encoding import open_encoder
from kakehi.tokenizer.symbols import (
    SPECIAL,
    faults_of_control_symbols,
    faults_of_user_symbols,
    fewest_pieces,
)
from kakehi.tokenizer.training import train

TAKEN = [
    "\t",
    "\r\n",
    "AAA",
    "a,b",
    '"q"',
    "x" * 7999,
    "する",
    "①",
    "が",
    "<0x4a>",
    "<0x100>",
    "<S>",
    "▅",
    "\uffff",
    "a\nb",
    "12",
]
REFUSED = ["", "\n", " ", "▁", "a▁b", "FOO bar", "a\0b", "<0x41>", "<unk>", "\ud800", " x", "長" * 2667]


def is_whole(sentences: list[str], symbol: str) -> bool:
    """Train with a symbol and say whether a text with it has it as one piece, and comes back."""
    model = train(sentences, vocab_size=400, num_threads=1, user_symbols=(symbol,)).model
    encoder = open_encoder(model, "sentencepiece")
    text = f"a{symbol}b"
    ids, _ = encoder.encode(pa.array([text], pa.large_string()))
    return encoder.piece_id(symbol) in ids and encoder.decode(ids) == text


def test_what_is_taken_is_whole(sentences: list[str]) -> None:
    """All of them in one model, each a piece of its own."""
    assert list(faults_of_user_symbols(TAKEN)) == []
    model = train(sentences, vocab_size=420, num_threads=1, user_symbols=tuple(TAKEN)).model
    encoder = open_encoder(model, "sentencepiece")
    for symbol in TAKEN:
        ids, _ = encoder.encode(pa.array([f"あ{symbol}い"], pa.large_string()))
        assert encoder.piece_id(symbol) in ids, symbol
        assert encoder.decode(ids) == f"あ{symbol}い"


def test_what_is_refused_would_fail(sentences: list[str]) -> None:
    """With an error of the library's, or as a piece that no text becomes, or as text that does not come back."""
    for symbol in REFUSED:
        assert len(list(faults_of_user_symbols([symbol]))) == 1, symbol
        try:
            whole = is_whole(sentences, symbol)
        except (ValueError, TypeError, RuntimeError):
            continue
        assert not whole, symbol


def test_special_pieces_stay_what_they_are(sentences: list[str]) -> None:
    """The library would make `</s>` a piece that texts become."""
    assert is_whole(sentences, "</s>")
    assert list(faults_of_user_symbols(SPECIAL[1:])) == [
        "'<s>' is a piece that no text may become",
        "'</s>' is a piece that no text may become",
    ]


def test_control_symbols_are_names_alone(sentences: list[str]) -> None:
    """One with a space does no harm, and `</s>` is there already; what else is refused, the library refuses too."""
    assert list(faults_of_control_symbols(["a b", "</s>", "▁x", "Ａ"])) == []
    assert train(sentences, vocab_size=400, num_threads=1, control_symbols=("a b", "</s>", "▁x")).model
    for symbols in (("",), ("\n",), ("▁",), ("<0x41>",), ("<unk>",), ("a", "a"), ("\ud800",)):
        assert list(faults_of_control_symbols(symbols))
        with pytest.raises((ValueError, TypeError)):
            train(sentences, vocab_size=400, num_threads=1, control_symbols=symbols)


def test_every_fault_is_told_at_once() -> None:
    """Each symbol once, however often it stands there."""
    found = list(faults_of_user_symbols(["AAA", "AAA", "\n", "FOO bar", "<0x0A>"]))
    assert found == [
        "'FOO bar' would never be met: SentencePiece cuts texts at spaces, and takes ▁ for one",
        "'AAA' stands 2 times",
        "'\\n' is a piece of every model",
        "'<0x0A>' is a piece of every model",
    ]


def test_a_model_has_so_many_pieces_at_least(sentences: list[str]) -> None:
    """One less, and the library refuses; a corpus has characters besides, so that more are needed in earnest."""
    fewest = fewest_pieces(["AAA", "BBB"], ["<c>", "</s>"])
    assert fewest == 3 + 1 + 2 + 1 + 1 + 256
    symbols = {"user_symbols": ("AAA", "BBB"), "control_symbols": ("<c>", "</s>"), "num_threads": 1}
    assert train([" "] * 3, vocab_size=fewest, model="bpe", **symbols).model
    with pytest.raises(ValueError, match=r"vocab_size|refused"):
        train([" "] * 3, vocab_size=fewest - 1, model="bpe", **symbols)
