"""N-grams that come again are counted as a dictionary would count them."""

import itertools
import math
import random
from collections import Counter
from types import SimpleNamespace

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.signals import repetition
from kakehi.filters.signals.ngrams import PADDING
from kakehi.filters.signals.repetition import REPETITION
from kakehi.splitmix64 import GOLDEN_GAMMA

NAMES = [signal.name for signal in REPETITION.signals]
few_letters = st.integers(1, 4).flatmap(lambda n: st.text(st.sampled_from("aあ𠮷\n"[:n]), max_size=120))


def measured(text):
    """Return the signals of one text by name."""
    return {n: c[0].as_py() for n, c in zip(NAMES, REPETITION.measure(pa.array([text])), strict=True)}


def slowly(text):
    """Count every n-gram in a dictionary."""
    found = {}
    for n in range(2, 11):
        seen = Counter(text[i : i + n] for i in range(len(text) - n + 1))
        total, most = sum(seen.values()), max(seen.values(), default=0)
        if n < 5:
            found[f"top_{n}gram_share"] = divide(most, total)
            found[f"top_{n}gram_char_share"] = divide(n * most, len(text) * bool(seen))
            continue
        again = {gram: times for gram, times in seen.items() if times > 1}
        inside = {i + j for i in range(len(text) - n + 1) if text[i : i + n] in again for j in range(n)}
        found[f"duplicate_{n}gram_type_share"] = divide(len(again), len(seen))
        found[f"duplicate_{n}gram_share"] = divide(sum(again.values()), total)
        found[f"duplicate_{n}gram_char_share"] = divide(len(inside), len(text) * bool(seen))
        if n == 5:
            largest = sorted(again.values(), reverse=True)[: math.isqrt(len(seen))]
            found["frequent_5gram_share"] = divide(sum(largest), total)
    return found


def divide(part, whole):
    """Divide, or say that it can't be."""
    return part / whole if whole else float("nan")


@pytest.mark.slow
@settings(max_examples=500)
@given(st.one_of(few_letters, st.text(max_size=60), few_letters.map(lambda text: text * 3)))
def test_ngrams_equal_their_twin(text):
    """The kernel counts what the readable version counts."""
    assert measured(text) == pytest.approx(slowly(text), rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("letters", [30, 300, 3000])
def test_ngrams_that_share_a_slot(letters):
    """Among thousands, others have the hash of the most frequent one, and are not counted with it."""
    chance = random.Random(letters)  # noqa: S311 - not for secrets
    for _ in range(5):
        text = "".join(chr(0x4E00 + int(letters * chance.random() ** 2)) for _ in range(4000))
        assert measured(text) == slowly(text)


@pytest.mark.slow
@settings(max_examples=300)
@given(
    st.lists(st.text("abcd", min_size=3, max_size=14), min_size=1, max_size=4).flatmap(
        lambda pieces: st.lists(st.sampled_from([*pieces, "x", "yz"]), max_size=60).map("".join)
    )
)
def test_passages_that_come_again(text):
    """Copies, whole and in part, few and many, that go on alike or not."""
    assert measured(text) == pytest.approx(slowly(text), rel=0, abs=0, nan_ok=True)


@pytest.mark.parametrize("times", [2, 3, 4, 14, 15, 16, 17, 40])
@pytest.mark.parametrize("same", range(5, 12))
def test_kinds_small_and_large(times, same):
    """So many 5-grams that are the same for so many characters, in pairs of which one is a copy, and alone."""
    marks = [chr(0x4E00 + i) for i in range(2 * times)]
    alone = "".join("あいうえおかきくけこさ"[:same] + mark for mark in marks[:times])
    paired = "".join("アイウエオカキクケコサ"[:same] + marks[i // 2] * (1 + i % 3) for i in range(times))
    for text in (alone, paired, paired + alone, alone + paired + alone):
        assert measured(text) == slowly(text)


@pytest.mark.slow
def test_a_long_text_one_after_a_short_one():
    """Three pairs of different 5-grams have the same hash of 32 bits here; what a text left behind is not met again."""
    chance = random.Random(5)  # noqa: S311 - not for secrets
    long = "".join(chr(0x4E00 + chance.randrange(3000)) for _ in range(200_000))
    texts = ["短い文。" * 9, long + long[5000:5100], "短い文。" * 9, long[:300] * 2]
    columns = REPETITION.measure(pa.array(texts))
    for row, text in enumerate(texts):
        got = {name: column[row].as_py() for name, column in zip(NAMES, columns, strict=True)}
        assert got == slowly(text)


@pytest.mark.parametrize("times", [(5, 3), (6, 2), (4, 4), (9, 1)])
def test_the_fullest_slot_was_filled_by_the_rarer_one(times):
    """Two 2-grams of one hash, the rarer one last: the other is the most frequent."""
    chance = random.Random(3)  # noqa: S311 - not for secrets
    for _ in range(30):
        letters = chance.sample(range(0x4E00, 0x9FFF), 200)
        slots = {}
        for left, right in itertools.pairwise(letters[:120]):
            slot = (left << 21 | right) * int(GOLDEN_GAMMA) % 2**64 >> 64 - 6
            slots.setdefault(slot, []).append(chr(left) + chr(right))
        pair = max(slots.values(), key=len)[:2]
        fillers = iter(letters[120:])
        grams = [gram for gram, count in zip(pair, times, strict=True) for _ in range(count)]
        text = "".join(gram + chr(next(fillers)) for gram in grams)
        assert measured(text) == slowly(text)


@pytest.mark.parametrize("times", [(5, 3), (3, 5), (4, 4)])
def test_two_of_one_hash(times):
    """Two 2-grams whose hashes are the same, all 32 bits, are told apart."""
    grams = ("侕媉", "鴐廗")
    hashes = {(ord(a) << 21 | ord(b)) * int(GOLDEN_GAMMA) % 2**64 >> 32 for a, b in grams}
    assert len(hashes) == 1
    pieces = [gram for gram, count in zip(grams, times, strict=True) for _ in range(count)]
    text = "".join(piece + chr(0x3041 + i) for i, piece in enumerate(pieces))
    assert measured(text) == slowly(text)


def test_room_is_held_where_it_is_enough(monkeypatch):
    """A thread holds room for its longest text so far, padding and all, but for none that is very long."""
    monkeypatch.setattr(repetition, "_OF_THREAD", held := SimpleNamespace())
    monkeypatch.setattr(repetition, "_HELD", 500)
    for size, longest in ((400, 400), (401, 401), (440, 440), (399, 440)):
        measured("a" * size)
        assert len(held.room.codes) == longest + PADDING
    assert measured("長い文。" * 200) == slowly("長い文。" * 200)
    assert len(held.room.codes) == 440 + PADDING


def test_thousands_of_letters():
    """A text of more different characters than most have."""
    text = "".join(map(chr, range(0x4E00, 0x4E00 + 4200))) + "くりかえすことば" * 3
    assert measured(text) == slowly(text)


def test_many_equal_fives():
    """Hundreds of equal 5-grams that go on differently."""
    text = "".join(f"ああああああ{i % 7}い{i % 3}" for i in range(200)) + "あ" * 500
    assert measured(text) == slowly(text)


def test_a_short_text_has_no_ngram():
    """Under n characters there is nothing to divide by."""
    got = measured("あああ")
    assert got["top_3gram_share"] == 1
    assert math.isnan(got["top_4gram_share"])
    assert math.isnan(got["duplicate_5gram_share"])


def test_the_three_definitions_differ():
    """Three times five letters: the code counts kinds, the README occurrences, Gopher characters."""
    got = measured("あいうえおxあいうえおyあいうえおz")
    assert got["duplicate_5gram_type_share"] == 1 / 12
    assert got["duplicate_5gram_share"] == 3 / 14
    assert got["duplicate_5gram_char_share"] == 15 / 18
