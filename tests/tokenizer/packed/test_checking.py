"""Whatever is changed in a packed prefix or its maps is found and named."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from kakehi.tokenizer.packed import maps
from kakehi.tokenizer.packed.checking import check_binary, check_maps, layout_of
from kakehi.tokenizer.packed.indexed import Reader, write_index

NAME = "c_text_document"


class Copy:
    """A prefix and its maps for one test to change."""

    def __init__(self, packed: Path, home: Path) -> None:
        self.folder, self.cache = home / "packed", home / "cache"
        shutil.copytree(packed, self.folder)
        index = packed.parents[1] / "index"
        [cache] = [path / "cache" for path in index.iterdir() if same_layout(path, packed)]
        shutil.copytree(cache, self.cache)

    @property
    def about(self):
        return json.loads((self.folder / "manifest.json").read_bytes())

    def faults(self, name: str = NAME) -> list[str]:
        return [
            *check_binary(self.folder / name, self.about),
            *check_maps(self.cache, self.folder / name, self.about),
        ]

    def bytes(self, name: str, change: Callable[[bytearray], bytearray]) -> None:
        path = self.folder / name
        path.write_bytes(change(bytearray(path.read_bytes())))

    def array(self, pattern: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        [path] = self.cache.glob(pattern)
        np.save(path, change(np.load(path)))


def same_layout(index: Path, packed: Path) -> bool:
    return packed.name in (index / "recipe.json").read_text(encoding="utf-8")


@pytest.fixture(params=["lanes", "stock"])
def copy(request, packed_runs, tmp_path) -> Copy:
    return Copy(packed_runs[request.param], tmp_path)


def test_what_pack_and_index_write_has_no_fault(copy: Copy) -> None:
    """Both binaries, with the maps of both readers."""
    assert copy.faults() == []
    assert copy.faults("c_valid_text_document") == []


def test_pieces_are_checked_as_sequences(packed_runs, tmp_path) -> None:
    """In lanes and in stock order nothing is wrong; a border that moved, a piece joined to the next, a map that is off by one are."""
    copies = [Copy(packed_runs[name], tmp_path / name) for name in ("pieces", "stock pieces")]
    for copy in copies:
        assert copy.faults() == copy.faults("c_valid_text_document") == []
    for number, copy in enumerate(copies):
        copy.array("*-train-sample_index.npy", lambda values: added(values, (5, 0)))
        [said] = copy.faults()
        assert "entry 5: got" in said
        about = copy.about
        reader = Reader(copy.folder / NAME)
        lengths = reader.lengths.astype(np.int64)
        if number:
            lengths[:2] += [1, -1] if lengths[1] > 1 else [-1, 1]
        else:
            lengths = np.concatenate(([lengths[:2].sum()], lengths[2:]))
        write_index(copy.folder / NAME, np.dtype("<u2"), lambda lengths=lengths: [lengths])
        said = "\n".join(check_binary(copy.folder / NAME, vouched(copy)))
        assert f"{NAME}.idx: " + ("length of sequence 0: got" if number else "got ") in said
        assert about["binaries"][NAME]["sequences"] == len(reader)


def swapped(values: np.ndarray) -> np.ndarray:
    """Change two entries for each other: still a permutation."""
    values[[3, 4]] = values[[4, 3]]
    return values


def added(values: np.ndarray, place: tuple[int, ...]) -> np.ndarray:
    values[place] += 1
    return values


@pytest.mark.parametrize("reader", ["*-train-{}_index.npy", f"{NAME}_train_*_{{}}_idx.npy"])
@pytest.mark.parametrize(
    ("array", "change", "fault"),
    [
        ("shuffle", swapped, "entry 3: got"),
        ("sample", lambda v: added(v, (5, 1)), "entry 5: got"),
        ("doc*", swapped, "entry 3: got"),
        ("shuffle", lambda v: v.astype(np.int64), "got int64"),
        ("sample", lambda v: v[:-1], r"wanted int32\["),
    ],
)
def test_a_changed_map_is_found(copy: Copy, reader: str, array: str, change, fault: str) -> None:
    """Two entries swapped, an offset by one, another dtype, a row less."""
    copy.array(reader.format(array), change)
    [said] = copy.faults()
    assert re.search(fault, said), said


@pytest.mark.parametrize("alone", [True, False])
def test_maps_of_gpt_neox_are_held_to_what_its_job_reads(copy: Copy, tmp_path: Path, alone: bool) -> None:
    """Where it has the prefix on a list their name says half a percent more; a changed entry is found either way."""
    layout = layout_of(copy.about["binaries"][NAME])
    stock = copy.about["layout"] == "stock"
    asked = maps.Maps(NAME, layout, 32, layout.samples, 5, "train", stock)
    copy.cache = tmp_path / "neox"
    copy.cache.mkdir()
    maps.write_arrays(asked, copy.cache, maps.neox_names(asked, alone=alone), more=1)
    assert copy.faults() == []
    copy.array("*_shuffle_idx.npy", swapped)
    [said] = copy.faults()
    assert "entry 3: got" in said
    copy.array("*_shuffle_idx.npy", lambda values: swapped(values)[:-1])
    [said] = copy.faults()
    assert f"wanted uint32[{layout.samples + 1}]" in said


def test_an_edited_description_is_found(copy: Copy) -> None:
    """Its md5 is its name; no reader would ask for the text as it is now."""
    [path] = copy.cache.glob("*-train-description.txt")
    path.write_text(
        path.read_text(encoding="utf-8").replace('"num_samples": ', '"num_samples": 1'), encoding="utf-8"
    )
    [said] = copy.faults()
    assert "md5" in said


def test_maps_of_another_prefix_are_no_maps(copy: Copy, tmp_path: Path) -> None:
    """A folder without any for this prefix is a fault, and a map that is gone too."""
    (tmp_path / "empty").mkdir()
    [said] = check_maps(tmp_path / "empty", copy.folder / NAME, copy.about)
    assert "got no map" in said
    next(copy.cache.glob("*-train-sample_index.npy")).unlink()
    [said] = copy.faults()
    assert "is not there" in said


def put(at: int, value: int) -> Callable[[bytearray], bytearray]:
    def change(content: bytearray) -> bytearray:
        content[at] ^= value
        return content

    return change


@pytest.mark.parametrize(
    ("name", "change", "fault"),
    [
        (f"{NAME}.bin", lambda b: b[:-2], "bytes, wanted"),
        (f"{NAME}.bin", put(40, 1), "other bytes than manifest.json says"),
        (f"{NAME}.idx", put(34, 1), "sequence"),
        (f"{NAME}.idx", put(-30, 2), "other bytes"),
        (f"{NAME}.provenance.parquet", put(200, 1), "other bytes"),
    ],
)
def test_changed_files_are_found(copy: Copy, name: str, change, fault: str) -> None:
    """A cut `.bin`, a flipped bit anywhere."""
    copy.bytes(name, change)
    said = "\n".join(check_binary(copy.folder / NAME, copy.about))
    assert fault in said


def test_a_pointer_that_is_off_by_a_token_is_named(copy: Copy) -> None:
    """The index has lengths, then pointers of 64 bits."""
    at = 34 + 4 * copy.about["binaries"][NAME]["sequences"] + 8
    copy.bytes(f"{NAME}.idx", put(at, 2))
    assert any("offset of sequence 1: got" in said for said in copy.faults())


def test_an_index_of_another_prefix_is_found(copy: Copy) -> None:
    """Sound by itself, but not this binary's."""
    shutil.copy(copy.folder / "c_valid_text_document.idx", copy.folder / f"{NAME}.idx")
    assert any("size in bytes" in said or "sequences, wanted" in said for said in copy.faults())


def vouched(copy: Copy) -> dict:
    """Let manifest.json vouch for the files as they are, so that only what is in them can be wrong."""
    import hashlib  # noqa: PLC0415 - only here

    about = copy.about
    for name, told in about["binaries"][NAME]["files"].items():
        content = (copy.folder / name).read_bytes()
        told.update(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    return about


@pytest.mark.parametrize("value", [2, 399])
def test_tokens_that_break_the_promise_are_found(copy: Copy, value: int) -> None:
    """Even if all digests agree: an end mark inside a document; padding that is none."""
    ids = np.fromfile(copy.folder / f"{NAME}.bin", np.uint16)
    place = int(np.flatnonzero(ids != 2)[3]) if value == 2 else len(ids) - 1
    ids[place] = value
    ids.tofile(copy.folder / f"{NAME}.bin")
    [said] = check_binary(copy.folder / NAME, vouched(copy))
    assert "end mark inside" in said if value == 2 else "padding other than 2" in said


def test_an_unknown_prefix_is_named(copy: Copy) -> None:
    """With those that there are."""
    [said] = check_binary(copy.folder / "x", copy.about)
    assert "manifest.json knows ['c_text_document', 'c_valid_text_document']" in said
