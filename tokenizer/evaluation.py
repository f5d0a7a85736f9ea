"""Count how well a tokenizer fits texts it did not learn from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from unicodedata import normalize

import numpy as np
import pyarrow as pa

from .encoding import Encoder

_BATCH_DOCUMENTS = 256
_LONGEST = 10


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """Counts over all texts together; a share of nothing is NaN.

    `bytes` are of UTF-8. `round_trip_failures` counts the documents that decoding does not give back,
    `nfkc_differences` those of which it gives back the same by NFKC: a normalisation that the model was made with.
    `unused_pieces` never occurred; `longest_pieces` are those of most characters that did.
    """

    documents: int
    characters: int
    bytes: int
    tokens: int
    byte_tokens: int
    unknown_tokens: int
    round_trip_failures: int
    nfkc_differences: int
    vocab_size: int
    unused_pieces: int
    longest_pieces: tuple[str, ...]

    @property
    def characters_per_token(self) -> float:
        """Characters that a token carries in the mean: more is shorter sequences."""
        return _share(self.characters, self.tokens)

    @property
    def byte_fallback_share(self) -> float:
        """Share of tokens that are bytes of a character without a piece."""
        return _share(self.byte_tokens, self.tokens)

    @property
    def unknown_share(self) -> float:
        """Share of tokens that stand for lost text."""
        return _share(self.unknown_tokens, self.tokens)


def evaluate(encoder: Encoder, texts: Iterable[str]) -> Evaluation:
    """Encode and decode every text, and count."""
    seen = np.zeros(encoder.vocab_size, np.int64)
    documents = characters = size = changed = alike = 0
    for batch in _batches(texts):
        ids, lengths = encoder.encode(pa.array(batch, pa.large_string()))
        seen += np.bincount(ids, minlength=encoder.vocab_size)
        stops = np.cumsum(lengths)
        decoded = (encoder.decode(ids[stop - n : stop]) for stop, n in zip(stops, lengths, strict=True))
        others = [(text, back) for text, back in zip(batch, decoded, strict=True) if text != back]
        changed += len(others)
        alike += sum(normalize("NFKC", text) == normalize("NFKC", back) for text, back in others)
        documents += len(batch)
        characters += sum(map(len, batch))
        size += sum(len(text.encode()) for text in batch)
    used = np.flatnonzero(seen)
    return Evaluation(
        documents=documents,
        characters=characters,
        bytes=size,
        tokens=int(seen.sum()),
        byte_tokens=sum(int(seen[i]) for i in used if encoder.is_byte(int(i))),
        unknown_tokens=0 if encoder.unknown_id is None else int(seen[encoder.unknown_id]),
        round_trip_failures=changed - alike,
        nfkc_differences=alike,
        vocab_size=encoder.vocab_size,
        unused_pieces=encoder.vocab_size - len(used),
        longest_pieces=tuple(sorted((encoder.piece(int(i)) for i in used), key=_by_length)[:_LONGEST]),
    )


def _batches(texts: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(texts)
    while batch := list(islice(rest, _BATCH_DOCUMENTS)):
        yield batch


def _by_length(piece: str) -> tuple[int, str]:
    return -len(piece), piece


def _share(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
