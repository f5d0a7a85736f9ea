"""zlib's level 9 is counted to the byte; the slow twin is zlib itself."""

import random
import zlib
from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.signals.deflate import MOST_BYTES, ByteIndex, _sizes, zlib_sizes
from kakehi.filters.texts import Texts, view

pytestmark = pytest.mark.skipif(
    "ng" in zlib.ZLIB_RUNTIME_VERSION, reason="this Python has zlib-ng, whose level 9 is another one"
)

WINDOW, FARTHEST, BLOCK = 32_768, 32_506, 16_383
text_of = st.sampled_from(["ab", "あい", "あいうえお", "aあ𠮷\n", "のにをはがで、。"]).flatmap(
    lambda letters: st.text(st.sampled_from(letters), max_size=400)
)


def texts_of(pieces: list[bytes]) -> Texts:
    """Bytes of any kind as a run of texts: the kernel asks no UTF-8 of them."""
    offsets = np.cumsum([0, *map(len, pieces)]).astype(np.int64)
    return Texts(np.frombuffer(b"".join(pieces), np.uint8), offsets)


def by_zlib(pieces: list[bytes]) -> list[int]:
    return [len(zlib.compress(piece, 9)) if piece else 0 for piece in pieces]


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311 - not for secrets


def noise(chance: random.Random, size: int, letters: int = 256) -> bytes:
    return bytes(chance.randrange(letters) for _ in range(size))


@pytest.mark.slow
@settings(max_examples=300)
@given(st.lists(st.one_of(text_of, st.text(max_size=80), text_of.map(lambda text: text * 9)), max_size=5))
def test_text_by_text(texts):
    """No text is seen from the next one, empty ones and slices of a column included."""
    pieces = [text.encode() for text in texts]
    assert zlib_sizes(view(pa.array(["前の", *texts]).slice(1))).tolist() == by_zlib(pieces)


@pytest.mark.slow
@pytest.mark.parametrize("letters", [2, 3, 5, 20, 90, 256])
def test_noise_of_few_and_many_letters(letters):
    """Stored blocks, fixed ones and own trees; windows and blocks that end within a text."""
    chance = seeded(letters)
    pieces = [noise(chance, size, letters) for size in (1, 2, 3, 4, 5, 6, 7, 30, 300, 5_000, 40_000, 300_000)]
    assert zlib_sizes(texts_of(pieces)).tolist() == by_zlib(pieces)


@pytest.mark.parametrize("size", [1, 2, 3, 4, 257, 258, 259, 260, 516, 519, 70_000, 1_000_000])
def test_one_thing_over_and_over(size):
    """Matches of the greatest length, which overlap themselves, up to the end."""
    pieces = [(what * size)[:size] for what in (b"a", b"ab", b"abc", "筧".encode(), "水、".encode())]
    assert zlib_sizes(texts_of(pieces)).tolist() == by_zlib(pieces)


@pytest.mark.slow
def test_the_farthest_match():
    """One byte nearer it is seen, and one further it is not; in the first window and in a later one."""
    chance, pieces = seeded(1), []
    for gap in range(FARTHEST - 12, FARTHEST + 12):
        again = noise(chance, 40)
        between = noise(chance, gap - len(again), 3)
        before = (b"", b"Q", noise(chance, 40_000), noise(chance, 100, 3))
        pieces += [some + again + between + again for some in before]
    assert zlib_sizes(texts_of(pieces)).tolist() == by_zlib(pieces)


def crowded(steps: int, again: bytes, letters: bytes) -> bytes:
    """So many places of one chain lie between something and its second coming, none of them like it for long."""
    pairs = [bytes([a, b]) for a in letters for b in letters]
    between = b"".join(again[:3] + pairs[i % len(pairs)] for i in range(steps - 1))
    return again + between + again


def crowd(places: int, three: bytes) -> bytes:
    """So many places of one chain, none of them like another for long."""
    digits = b"0123456789ABCDEF"
    pairs = [bytes([a, b]) for a in digits for b in digits]
    return b"".join(three + pairs[i % len(pairs)] for i in range(places))


def test_the_end_of_a_chain():
    """4,096 places are looked at, and one more is not."""
    again = b"xyz and more"
    pieces = [again + crowd(4_096 + more, again[:3]) + again for more in range(-4, 5)]
    assert zlib_sizes(texts_of(pieces)).tolist() == by_zlib(pieces)


@pytest.mark.parametrize("good", [31, 32, 33])
def test_the_end_of_a_chain_that_has_a_good_match(good):
    """After one of 32 bytes only 1,024 places are looked at for a longer one."""
    chance = seeded(good)

    def once(places: int) -> bytes:
        again = noise(chance, 90)
        return again + crowd(places, again[:3]) + b"-" + again[: good - 1] + b"/" + b"-" + again

    pieces = [b"".join(once(1_024 + more) for _ in range(8)) for more in (-500, *range(-4, 5), 500)]
    assert zlib_sizes(texts_of(pieces)).tolist() == by_zlib(pieces)


def sentences(chance: random.Random, words: int, size: int) -> bytes:
    """Words again and again, so that a match is often bettered by the next place's."""
    known = [noise(chance, chance.randrange(1, 12), chance.choice((2, 4, 26))) for _ in range(words)]
    text = b""
    while len(text) < size:
        text += chance.choice(known) + chance.choice(known)
    return text[:size]


@pytest.mark.parametrize("words", [3, 30, 300, 3_000])
def test_words_that_come_again(words):
    """A longer match at the next place is taken, by zlib's rule."""
    chance = seeded(words)
    pieces = [sentences(chance, words, size) for size in (20, 100, 1_000, 30_000, 66_000, 200_000)]
    assert zlib_sizes(texts_of(pieces)).tolist() == by_zlib(pieces)


def edges() -> Iterator[bytes]:
    """Texts that end about where a block is full, or where zlib moves its window on."""
    chance = seeded(7)
    unlike = b"".join(number.to_bytes(2, "big") for number in range(BLOCK))  # no three bytes come again
    for more in range(-3, 4):
        yield unlike[: BLOCK + more]
        yield unlike[: 2 * BLOCK + more]
        yield noise(chance, BLOCK + more)
        yield noise(chance, BLOCK + more) + b"abcabcabc"
        yield noise(chance, 2 * BLOCK + more)
        for end in (2 * WINDOW - 262, 2 * WINDOW, 3 * WINDOW - 262):
            yield noise(chance, end + more, 4)
            yield noise(chance, end + more - 300, 4) + b"z" * 300


@pytest.mark.slow
def test_ends_of_blocks_and_windows():
    """A last block may be empty, or end where one is full."""
    pieces = list(edges())
    assert zlib_sizes(texts_of(pieces)).tolist() == by_zlib(pieces)


def test_trees_too_deep():
    """Bytes as frequent as Fibonacci's numbers want codes of more bits than there may be."""
    chance, pieces = seeded(3), []
    for most in range(10, 21):
        counts = [1, 1]
        while len(counts) < most:
            counts.append(counts[-1] + counts[-2])
        letters = [bytes([200 - i]) for i, count in enumerate(counts) for _ in range(count)]
        chance.shuffle(letters)
        pieces.append(b"".join(letters))
    assert zlib_sizes(texts_of(pieces)).tolist() == by_zlib(pieces)


def test_numbers_of_places_run_out():
    """After 4 GiB of texts numbers begin anew; places of before have higher ones, and are not taken for this text's."""
    chance = seeded(5)
    pieces = [sentences(chance, 20, 5_000) for _ in range(30)]
    texts = texts_of([*pieces, *pieces])
    base = ByteIndex((1 << 32) - 100_000)
    assert _sizes(texts.bytes_, texts.offsets, base).tolist() == by_zlib([*pieces, *pieces])


def test_a_text_too_long():
    """The error says how long one may be."""
    texts = Texts(np.empty(0, np.uint8), np.array([0, MOST_BYTES + 1]))
    with pytest.raises(ValueError, match=f"longer than {MOST_BYTES} bytes"):
        zlib_sizes(texts)
