"""Measure how much of a text is n-grams that come again, n = 2 to 10, by the definitions that recipes use."""

import threading
from typing import Final

import numpy as np
import pyarrow as pa
from numba import njit

from kakehi.arrays import Int64N1, Int64NC, UInt8M
from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.ngrams import PADDING, TOP, Room, make_room, most_frequent
from kakehi.filters.signals.repeated_ngrams import AGAIN, find_again, sum_frequent
from kakehi.filters.signals.script import share
from kakehi.filters.texts import Texts, decode_into, longest_of, view

# Columns of the counts: characters, the most frequent's occurrences for each n of TOP, then, for each n of AGAIN,
# distinct n-grams, distinct ones seen more than once, occurrences of those, and characters inside those.
_CHARACTERS, _TOP, _DISTINCT, _REPEATED, _OCCURRENCES, _COVERED, _FREQUENT = 0, 1, 4, 10, 16, 22, 28
_COUNTS = 29

_HELD: Final = 1 << 21  # bytes of a text whose room is held: 105 MB, a third of which Japanese gets to
_OF_THREAD: Final = threading.local()


def measure(column: pa.Array) -> tuple[pa.Array, ...]:
    """Measure the n-grams of characters of every text, newlines included; see `REPETITION.signals`."""
    n = count_ngrams(view(column))
    characters = n[:, _CHARACTERS]
    ngrams = {size: np.maximum(characters - size + 1, 0) for size in (*TOP, *AGAIN)}
    shares = [share(n[:, _TOP + i], ngrams[size]) for i, size in enumerate(TOP)]
    shares += [
        share(size * n[:, _TOP + i], np.where(ngrams[size], characters, 0)) for i, size in enumerate(TOP)
    ]
    for i, size in enumerate(AGAIN):
        whole = np.where(ngrams[size], characters, 0)
        shares += [
            share(n[:, _REPEATED + i], n[:, _DISTINCT + i]),
            share(n[:, _OCCURRENCES + i], ngrams[size]),
            share(n[:, _COVERED + i], whole),
        ]
    shares.append(share(n[:, _FREQUENT], ngrams[5]))
    return tuple(map(pa.array, shares))


def count_ngrams(texts: Texts) -> Int64NC:
    """Return int64[n, counts]: what the shares are divided from."""
    return _count(texts.bytes_, texts.offsets, _room(int(longest_of(texts.offsets))))


def _room(most: int) -> Room:
    """Give this thread's room for so many bytes, or, where a text is too long to hold it from then on, one of its own.

    Fresh pages at every call cost the system's time.
    """
    if most > _HELD:
        return make_room(most)
    room: Room | None = getattr(_OF_THREAD, "room", None)
    if room is None or len(room.codes) < most + PADDING:
        room = _OF_THREAD.room = make_room(most)
    return room


def _shared(name: str, source: str) -> Signal:
    return Signal(name=name, dtype=pa.float64(), unit="share", source=source)


_SHORT = "NaN for texts of fewer than {n} characters"
_GOPHER = "Gopher's (Rae et al. 2021, A1.1), over characters where it has words"

REPETITION = Family(
    measure=measure,
    reads=("text",),
    signals=(
        *(
            _shared(
                f"top_{n}gram_share",
                f"occurrences of the most frequent {n}-gram of characters / {n}-grams; Swallow corpus v1; {_SHORT.format(n=n)}",
            )
            for n in TOP
        ),
        *(
            _shared(
                f"top_{n}gram_char_share",
                f"{n} × occurrences of the most frequent {n}-gram / characters; {_GOPHER}; over 1 where they overlap",
            )
            for n in TOP
        ),
        *(
            signal
            for n in AGAIN
            for signal in (
                _shared(
                    f"duplicate_{n}gram_type_share",
                    f"distinct {n}-grams seen more than once / distinct {n}-grams; as Swallow corpus v1's code has it",
                ),
                _shared(
                    f"duplicate_{n}gram_share",
                    f"occurrences of {n}-grams seen more than once / {n}-grams; as Swallow corpus v1's README has it",
                ),
                _shared(
                    f"duplicate_{n}gram_char_share",
                    f"characters inside {n}-grams seen more than once, each counted once / characters; {_GOPHER}",
                ),
            )
        ),
        _shared(
            "frequent_5gram_share",
            "occurrences of the most frequent 5-grams / 5-grams: as many as √(distinct 5-grams), if so many come again; "
            "BigScience's rule (Laurençon et al. 2022) as HojiChar has it",
        ),
    ),
    version=1,
    libraries=(),
    kernels=("repetition",),
)


@njit(cache=True, nogil=True)
def _count(bytes_: UInt8M, offsets: Int64N1, room: Room) -> Int64NC:
    """Count text by text, for n = 2 to 10."""
    counts = np.zeros((len(offsets) - 1, _COUNTS), np.int64)
    for row in range(len(counts)):
        mine = counts[row]
        size = decode_into(bytes_, offsets[row], offsets[row + 1], room.codes)
        mine[_CHARACTERS] = size
        most_frequent(room, size, mine[_TOP:])
        fives = find_again(room, size, mine[_REPEATED:], mine[_OCCURRENCES:], mine[_COVERED:])
        for i in range(len(AGAIN)):
            mine[_DISTINCT + i] = max(size - AGAIN[i] + 1, 0) - mine[_OCCURRENCES + i] + mine[_REPEATED + i]
        mine[_FREQUENT] = sum_frequent(room, fives, mine[_DISTINCT])
    return counts
