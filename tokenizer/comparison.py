"""Compare a tokenizer with one that shall give the same ids, and refuse it where it is wrong."""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

import numpy as np
import pyarrow as pa

from kakehi.arrays import Int64N

from .encoding import Encoder
from .packed.indexed import Ids
from .sentencepiece_file import Use, read_model


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
    rest = iter(texts)
    while batch := list(islice(rest, _BATCH_DOCUMENTS)):
        documents += len(batch)
        lines += sum(text.count("\n") + 1 for text in batch)
        for text in _differing(encoder, twin, batch):
            differing += 1
            differing_lines += len(list(_differing(encoder, twin, text.split("\n"))))
    return Comparison(documents, differing, lines, differing_lines)


_BATCH_DOCUMENTS: Final = 64


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
    probes = list(_probes(model)) if encoder.kind == "sentencepiece" else []
    for probe in _differing(encoder, twin, probes):
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


def _differing(encoder: Encoder, twin: Encoder, texts: list[str]) -> Iterator[str]:
    """Yield the texts of which a twin gives other ids to its own library, or another text where no piece is unknown."""
    column = pa.array(texts, pa.large_string())
    for text, ids, other in zip(
        texts, _rows(*encoder.encode(column)), _rows(*twin.as_library(column)), strict=True
    ):
        is_spelt = encoder.unknown_id not in ids  # SentencePiece decodes unknown text as " ⁇ "
        if not np.array_equal(ids, other) or (is_spelt and encoder.decode(ids) != twin.decode(ids)):
            yield text


def _rows(ids: Ids, lengths: Int64N) -> Iterator[Ids]:
    stops = np.cumsum(lengths)
    return (ids[stop - size : stop] for stop, size in zip(stops, lengths, strict=True))
