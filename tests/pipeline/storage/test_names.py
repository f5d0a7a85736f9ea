"""A name from a disk is checked before it is a path."""

import pytest

from kakehi.pipeline.storage.names import is_below, is_plain, linked_parent, path_below

LEADS_OUT = ["", ".", "..", "../a", "/a", "a/../b", "a//b", "a/", "a\0b", None, 1, ["a"]]


def test_names_that_lead_out_are_none():
    """Absolute, empty, with `..`, with NUL, or no text at all."""
    assert [name for name in LEADS_OUT if is_below(name)] == []
    assert all(map(is_below, ["a", "a/b", "..a", "日本", "a\\b"]))
    assert is_plain("a")
    assert not is_plain("a/b")


def test_a_path_below_a_folder_stays_there(tmp_path):
    """A link out is refused, one inside and a folder reached through a link are not."""
    home = tmp_path / "home"
    home.mkdir()
    (tmp_path / "out").write_text("")
    (home / "out").symlink_to(tmp_path / "out")
    (home / "in").symlink_to(home / "file")
    (tmp_path / "linked").symlink_to(home)
    for name in ["out", "../out", *LEADS_OUT[:6]]:
        with pytest.raises(ValueError, match=r"name: got|is a link that leads out"):
            path_below(home, name)
    assert path_below(home, "in") == home / "in"
    assert path_below(tmp_path / "linked", "a/b") == tmp_path / "linked" / "a" / "b"


def test_a_linked_parent_is_found(tmp_path):
    """Between a folder and a path, not the folder, nor the path itself."""
    (tmp_path / "real").mkdir()
    (tmp_path / "step").symlink_to(tmp_path / "real")
    assert linked_parent(tmp_path, tmp_path / "step" / "a" / "b") == tmp_path / "step"
    assert linked_parent(tmp_path, tmp_path / "step") is None
    assert linked_parent(tmp_path / "step", tmp_path / "step" / "a" / "b") is None
