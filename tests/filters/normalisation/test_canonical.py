"""Marks compose and are ordered as in Unicode 14, whatever Unicode the running Python has."""

import sys
import time
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.normalisation import canonical
from tests.generators.unicode14 import UNICODE, interacting, module

SOURCE = Path(canonical.__file__).with_name("unicode14.py")
OURS = frozenset(code for first, last in canonical.ranges() for code in range(first, last + 1))
RUNNING = tuple(map(int, unicodedata.unidata_version.split(".")))
PINNED = tuple(map(int, UNICODE.split(".")))


def test_the_running_python_knows_the_pinned_version():
    """An older one would not know all of our characters."""
    assert RUNNING >= PINNED


@pytest.mark.skipif(RUNNING != PINNED, reason="only a Python of the pinned version can make the file")
def test_the_table_is_what_its_script_writes():
    """Not edited by hand."""
    assert SOURCE.read_text(encoding="utf-8") == module()


def test_the_table_has_no_character_that_does_not_interact():
    """In a later Unicode there may be more, never fewer; each of ours was assigned."""
    assert set(interacting()) >= OURS
    assert all(unicodedata.category(chr(code)) != "Cn" for code in OURS)


def test_the_rest_stands_as_it_is():
    """A character that is none of ours is not changed, and parts what stands on either side of it."""
    others = [chr(c) for c in range(sys.maxunicode + 1) if c not in OURS and not 0xD800 <= c <= 0xDFFF]
    text = "".join(others)
    assert canonical.compose(text) == text
    assert (
        canonical.compose("e" + "\u0301".join(["", *others[::997]])).count("\u0301") == len(others[::997]) - 1
    )


def test_characters_newer_than_the_table_are_plain(monkeypatch):
    """Were the accent newer than our Unicode, it would stay where it is, and alone."""
    fewer = [(first, last) for first, last in canonical.ranges() if not first <= 0x301 <= last]
    monkeypatch.setattr(canonical, "ranges", lambda: tuple(fewer))
    canonical._runs.cache_clear()
    assert canonical.compose("e\u0301か\u3099") == "e\u0301が"
    canonical._runs.cache_clear()


marks = st.text(
    st.one_of(
        st.sampled_from(sorted(map(chr, OURS))),
        st.sampled_from("aかハ神가\u1100\u1161\u11a8\u3099\u0301\u0323"),
    )
)


@settings(max_examples=500)
@given(marks)
def test_compose_is_nfc_on_our_characters(text):
    """Between compatibility ideographs there is nothing else."""
    assert canonical.compose(text) == unicodedata.normalize("NFC", text)


@settings(max_examples=500)
@given(marks, st.sampled_from("\ufa19\ufa11\uf91d\U0002f800"), marks)
def test_names_part_what_is_composed(before, name, after):
    """A compatibility ideograph stays, and nothing joins across it."""
    nfc = unicodedata.normalize
    assert canonical.compose(before + name + after) == nfc("NFC", before) + name + nfc("NFC", after)


@pytest.mark.slow
def test_any_number_of_marks_is_nfc_in_time_of_its_size():
    """150,000 times three marks on one kana took hours; what Python's NFC gives for fewer is what comes."""
    for marks in (
        "\u3099\u0323\u0301",
        "\u0344",
        "\u0308\u0301",
        "\u0340\u0f73",
        "\u1100\u1161",
        "\u09c7\u0301",
    ):
        few = "が" + marks * 200 + "a" + marks[::-1] * 50
        assert canonical.compose(few) == unicodedata.normalize("NFC", few)
        began = time.process_time()
        many = canonical.compose("あ" + marks * 150_000)
        assert time.process_time() - began < 10
        assert canonical.compose(many) == many
