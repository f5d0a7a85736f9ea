"""Addresses hold what decides bytes, and say in words what changed."""

import sys

from kakehi.pipeline.storage.addresses import address, canonical, differences, versions

RECIPE = {
    "step": "screen",
    "version": 1,
    "params": {"rules": [{"signal": "kana_share", "min": 0.05}]},
    "libraries": {"numpy": "2.0"},
    "upstream": {"measure": "aa"},
}


def test_address_ignores_key_order() -> None:
    """Two spellings of one recipe have one address."""
    assert address(RECIPE) == address(dict(reversed(RECIPE.items())))


def test_address_is_pinned() -> None:
    """The hash stays what it was, or every work folder of every user would be redone."""
    assert address({"a": 1, "b": [True, None, "か"]}) == "0c75af8844a1e22a"
    assert canonical({"b": "か", "a": 1}) == '{"a":1,"b":"か"}'


def test_every_part_of_a_recipe_changes_its_address() -> None:
    """No part of a recipe is forgotten in the hash."""
    for key in RECIPE:
        assert address({**RECIPE, key: "other"}) != address(RECIPE)


def test_differences_name_the_changed_value() -> None:
    """A changed threshold is told with its place, old and new value."""
    new = {**RECIPE, "params": {"rules": [{"signal": "kana_share", "min": 0.1}]}}
    assert differences(RECIPE, new) == ["parameter changed: rules[0].min 0.05 → 0.1"]


def test_a_longer_list_names_what_came_and_went() -> None:
    """Families and rules are told by name, not by all their parameters."""
    old = {**RECIPE, "params": {"families": [{"name": "script", "version": 1}, {"name": "lines"}]}}
    new = {
        **RECIPE,
        "params": {"families": [{"name": "script", "version": 1}, {"name": "own"}, {"name": "b"}]},
    }
    assert differences(old, new) == ["parameter changed: families +own, +b, −lines"]


def test_differences_of_version_library_upstream_and_shards() -> None:
    """Each kind of change has its own words."""
    new = {
        **RECIPE,
        "version": 2,
        "libraries": {"numpy": "2.1"},
        "upstream": {"measure": "bb"},
        "shards": ["a"],
    }
    assert differences(RECIPE, new) == [
        "stage version changed: 1 → 2",
        "library changed: numpy 2.0 → 2.1",
        "upstream changed: measure",
        "shards changed: 1 new, 0 gone",
    ]


def test_versions_know_the_interpreter() -> None:
    """Python counts as a library, by the part of its version that may change what a program does."""
    found = versions(["python", "numpy", "numpy"])
    assert (set(found), found["python"]) == (
        {"python", "numpy"},
        f"{sys.version_info.major}.{sys.version_info.minor}",
    )


def test_a_tuple_is_no_change_to_the_list_that_was_written() -> None:
    """What lies in a folder was JSON; a parameter in memory may be a tuple."""
    old = {"version": 1, "params": {"honour": ["a", "b"]}, "libraries": {}, "upstream": {}}
    assert differences(old, {**old, "params": {"honour": ("a", "b")}}) == []
    assert differences(old, {**old, "params": {"honour": ("a",)}}) == ["parameter changed: honour −b"]
