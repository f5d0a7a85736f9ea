"""Train a SentencePiece model whose decoding gives back every byte it was fed."""

import io
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final, Literal, NamedTuple

from .sampling import MAX_LINE_BYTES

Model = Literal["unigram", "bpe"]
Segmenter = Literal["unidic-lite"]

WORD_BORDER: Final = "\x1f"
_DROPPED: Final = {ord(character): None for character in ("\0", WORD_BORDER, "▅")}
"""SentencePiece skips a whole line for NUL or U+2585, which it keeps for itself."""


class Trained(NamedTuple):
    """A model as SentencePiece reads it, and its pieces to read: one a line, tab, score."""

    model: bytes
    vocab: str


def train(
    sentences: Iterable[str],
    *,
    vocab_size: int = 32_000,
    model: Model = "unigram",
    segmenter: Segmenter | None = None,
    character_coverage: float = 0.9995,
    byte_fallback: bool = True,
    split_digits: bool = True,
    max_piece_chars: int = 16,
    user_symbols: tuple[str, ...] = (),
    control_symbols: tuple[str, ...] = (),
    num_threads: int = 4,
) -> Trained:
    r"""Train a model; the same sentences in the same order give the same bytes.

    Text is taken as it is: identity normalisation, all spaces kept, and no dummy space in front. The dummy space
    would also round-trip, but stands before the first line of a document alone while training sees it before
    every line, and spends pieces on 「▁この」 beside 「この」. The newline is a piece of its own. What does not
    round-trip is U+2581 「▁」, SentencePiece's own sign for the space.

    Args:
        sentences: lines without newlines, each at most `MAX_LINE_BYTES` of UTF-8 (see `sampling.cut_lines`).
        vocab_size: pieces in all; byte, special and user-defined ones included.
        model: which of SentencePiece's two trainers.
        segmenter: let no piece cross a border of its words; the model itself needs no segmenter.
        character_coverage: share of the sentences' characters that get a piece, in (0, 1].
        byte_fallback: spell other characters in 256 byte pieces; without it they are unknown and lost.
        split_digits: no piece holds two digits.
        max_piece_chars: characters.
        user_symbols: pieces taken whole wherever they stand in a text.
        control_symbols: pieces that no text is ever encoded to, beside `<s>` (id 1) and `</s>` (id 2).
        num_threads: part of what decides the result of "unigram", so never the machine's core count.

    Raises:
        ValueError: the vocabulary is larger than the sentences can give, or a sentence is too long.
    """
    feed = _Feed(sentences, segmenter)
    written = io.BytesIO()
    try:
        _open_trainer().train(
            sentence_iterator=iter(feed),
            model_writer=written,
            model_type=model,
            vocab_size=vocab_size,
            character_coverage=character_coverage,
            byte_fallback=byte_fallback,
            split_digits=split_digits,
            max_sentencepiece_length=max_piece_chars,
            user_defined_symbols=["\n", *user_symbols],
            control_symbols=list(control_symbols),
            num_threads=num_threads,
            pretokenization_delimiter=WORD_BORDER if segmenter else "",
            max_sentence_length=2 * MAX_LINE_BYTES,  # room for a border after each byte
            **_VERBATIM,
        )
    except RuntimeError as error:
        raise feed.fault or _explained(error, vocab_size, feed.count) from error
    return Trained(written.getvalue(), _vocab(written.getvalue()))


_VERBATIM: Final[dict[str, Any]] = {
    "normalization_rule_name": "identity",
    "remove_extra_whitespaces": False,
    "add_dummy_prefix": False,
    "allow_whitespace_only_pieces": True,
    "required_chars": "▁",  # without a piece of its own a space is spelt as the bytes of U+2581, and comes back as that
    "input_sentence_size": 0,  # every sentence: choosing is the sampler's part, and nothing random is left
    "minloglevel": 2,
}


class _Feed:
    """Sentences on their way into the trainer, which hides the errors of its iterator."""

    def __init__(self, sentences: Iterable[str], segmenter: Segmenter | None) -> None:
        self.count = 0
        self.fault: Exception | None = None
        self._sentences = sentences
        self._segmenter = segmenter

    def __iter__(self) -> Iterator[str]:
        try:
            for sentence in self._sentences:
                yield self._checked(sentence)
                self.count += 1
        except Exception as error:
            self.fault = error
            raise

    def _checked(self, sentence: str) -> str:
        if "\n" in sentence or len(sentence.encode()) > MAX_LINE_BYTES:
            raise ValueError(
                f"train, sentence {self.count}: got {len(sentence.encode())} bytes beginning {sentence[:20]!r}, "
                f"wanted one line of at most {MAX_LINE_BYTES}\nhint: pass texts through sampling.cut_lines"
            )
        sentence = sentence.translate(_DROPPED)
        if self._segmenter is None:
            return sentence
        from .words import segment  # noqa: PLC0415 - fugashi is needed here alone

        return _bordered(segment(sentence))


def _bordered(words: list[str]) -> str:
    """Join words by borders, every fourth a tab.

    Unigram's seeds are substrings followed by two different characters at least, borders included: after one kind
    of border, a word that always ends at a border is never a seed (600 sentences of 25 words gave 0 seeds). The
    trainer takes a tab for a border too, but keeps it in re-estimation, where the other kind vanishes.
    """
    borders = (WORD_BORDER, WORD_BORDER, WORD_BORDER, "\t")
    return "".join(f"{borders[i % 4]}{word}" if i else word for i, word in enumerate(words))


def _explained(error: RuntimeError, vocab_size: int, sentences: int) -> ValueError:
    where = f"train: vocab_size: got {vocab_size!r} for {sentences} sentences"
    if high := re.search(r"size too high.*<= (\d+)", str(error)):
        return ValueError(
            f"{where}, wanted at most {high[1]}\nhint: sample more text, or set vocab_size: {high[1]}"
        )
    if low := re.search(r"smaller than required_chars\. \d+ vs (\d+)", str(error)):
        return ValueError(
            f"{where}, wanted at least {low[1]}, the characters and fixed pieces alone"
            "\nhint: raise vocab_size or lower character_coverage"
        )
    if "!sentences_.empty()" in str(error):
        return ValueError(f"train: got {sentences} sentences without text, wanted some")
    return ValueError(f"train: sentencepiece refused its parameters at sentence {sentences}: {error}")


def _vocab(model: bytes) -> str:
    from sentencepiece import SentencePieceProcessor  # noqa: PLC0415 - heavy

    pieces = SentencePieceProcessor(model_proto=model)
    # Escaped, or the newline piece breaks its line (and a count of lines says 48,588 for 48,586 pieces).
    return "".join(
        f"{pieces.id_to_piece(i).translate(_ESCAPES)}\t{pieces.get_score(i):.6g}\n"
        for i in range(pieces.vocab_size())
    )


_ESCAPES: Final = str.maketrans({"\n": "\\n", "\r": "\\r", "\t": "\\t"})


def _open_trainer() -> Any:
    from sentencepiece import SentencePieceTrainer  # noqa: PLC0415 - heavy

    return SentencePieceTrainer
