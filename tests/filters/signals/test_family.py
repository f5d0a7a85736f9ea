"""A family is found by its name or by an import path."""

import pytest

from kakehi.filters.signals import FAMILIES, find_family
from kakehi.filters.signals.script import SCRIPT


def test_families_are_found():
    """Both ways lead to the same family."""
    assert find_family("script") is FAMILIES["script"]
    assert find_family("kakehi.filters.signals.script:SCRIPT") is SCRIPT


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("scrpt", "no family 'scrpt', did you mean 'script'"),
        ("zzz", "no family 'zzz', did you mean 'script', 'lines'"),
        ("kakehi.filters.signals.script:SCRIP", "no family 'SCRIP', it has 'SCRIPT'"),
        ("no_such_module:X", "no module 'no_such_module'"),
        ("json:dumps", "no family 'dumps', it has none"),
    ],
)
def test_the_nearest_name_is_given(name, message):
    """A slip is answered with what there is."""
    with pytest.raises(ValueError, match=message):
        find_family(name)


def test_no_two_families_share_a_signal():
    """A threshold's name says which signal it means."""
    names = [signal.name for family in FAMILIES.values() for signal in family.signals]
    assert len(names) == len(set(names))
