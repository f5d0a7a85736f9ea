"""Every family of the catalogue keeps the contract; a new one is tested by being listed."""

import pickle
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.signals import FAMILIES

TRAPS = [
    "",
    "\n",
    "𠮷",
    "ｶﾞ",
    "ガ",
    "か\u3099",
    "👨\u200d👩\u200d👧",
    "吾輩は猫である。\n名前はまだ無い。",
    "x" * (1 << 20),
    " ",
    "\u0000",
    "Ａ１",
]

#: What a family can't be called without.
LISTS = Path(__file__).parent.parent / "data"
REQUIRED = {"wordlists": {"words": LISTS / "words.txt"}}


def ready(name):
    """Give a family that needs no more arguments."""
    family = FAMILIES[name]
    given = REQUIRED.get(name)
    return replace(family, measure=partial(family.measure, **given)) if given else family


every_family = pytest.mark.parametrize("family", [ready(name) for name in FAMILIES], ids=list(FAMILIES))
wide = pa.large_string()


def columns(family, texts, dtype=wide):
    """Give the texts for each column that the family reads."""
    return [pa.array(texts, dtype) for _ in family.reads]


def same(left, right):
    """Tell whether two results hold the same values, NaN being itself."""
    return all(
        a.type == b.type and repr(a.to_pylist()) == repr(b.to_pylist())
        for a, b in zip(left, right, strict=True)
    )


@every_family
@pytest.mark.parametrize("texts", [[], TRAPS, [None, "a", None]], ids=["no rows", "traps", "nulls"])
def test_result_has_the_declared_schema(family, texts):
    """One array a signal, in order, of its type, with a value for each row."""
    result = family.measure(*columns(family, texts))
    assert [array.type for array in result] == [signal.dtype for signal in family.signals]
    assert [len(array) for array in result] == [len(texts)] * len(family.signals)


@pytest.mark.slow
@every_family
@settings(max_examples=25)
@given(
    texts=st.lists(st.one_of(st.sampled_from(TRAPS), st.text(), st.none()), max_size=6),
    where=st.integers(0, 6),
)
def test_rows_are_measured_alone(family, texts, where):
    """Measuring two parts is measuring the whole."""
    whole = family.measure(*columns(family, texts))
    parts = [family.measure(*columns(family, part)) for part in (texts[:where], texts[where:])]
    assert same(whole, [pa.concat_arrays(pair) for pair in zip(*parts, strict=True)])


@every_family
@pytest.mark.parametrize("dtype", [pa.string(), wide], ids=str)
def test_slices_are_honoured(family, dtype):
    """A slice with an offset is measured as its own rows."""
    sliced = [column.slice(3, 5) for column in columns(family, TRAPS, dtype)]
    assert same(family.measure(*sliced), family.measure(*columns(family, TRAPS[3:8])))


@every_family
def test_null_is_measured_as_an_empty_text(family):
    """A null row has the values of a text without characters."""
    assert same(family.measure(*columns(family, [None])), family.measure(*columns(family, [""])))


@every_family
def test_input_stays_as_it_is(family):
    """Measuring changes no byte of the column."""
    given_columns = columns(family, TRAPS)
    family.measure(*given_columns)
    assert [column.to_pylist() for column in given_columns] == [TRAPS] * len(given_columns)


@every_family
def test_measuring_twice_is_the_same(family):
    """Nothing is left over from the first time."""
    assert same(family.measure(*columns(family, TRAPS)), family.measure(*columns(family, TRAPS)))


@every_family
def test_family_pickles(family):
    """A family travels to a worker and measures there as here."""
    twin = pickle.loads(pickle.dumps(family))  # noqa: S301 - our own bytes
    assert replace(twin, measure=family.measure) == family  # two partial objects are never equal
    assert same(twin.measure(*columns(family, TRAPS)), family.measure(*columns(family, TRAPS)))


@every_family
def test_every_signal_says_what_it_is(family):
    """Names are lower case and unique; unit and source are there."""
    names = [signal.name for signal in family.signals]
    assert len(set(names)) == len(names)
    assert all(name == name.lower() and name.isidentifier() for name in names)
    assert all(signal.unit and signal.source for signal in family.signals)
    assert family.version >= 1
    assert family.reads
