"""A cache that a stock job would not find is found out, with its place: before the job builds its own."""

import hashlib
import json
import re
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from kakehi.tokenizer.packed.checking import check_maps
from kakehi.tokenizer.packed.stock_cache import check_stock
from kakehi.tokenizer.packed.stock_job import CORES, Core, cores_of
from tests.tokenizer.packed.test_checking import NAME, same_layout


class Copy:
    """Work folder of a finished run, for one test to change."""

    def __init__(self, packed: Path, home: Path) -> None:
        [index] = [path for path in (packed.parents[1] / "index").iterdir() if same_layout(path, packed)]
        self.packed, self.index = home / "pack" / packed.name, home / "index" / index.name
        shutil.copytree(packed, self.packed)
        shutil.copytree(index, self.index)

    def faults(
        self, name: str = NAME, own: dict[str, Any] | None = None, cores: Sequence[Core] = ()
    ) -> list[str]:
        about = json.loads((self.packed / "manifest.json").read_bytes())
        cache = self.index / "cache"
        binary = self.packed / name
        return [*check_maps(cache, binary, about), *check_stock(cache, binary, own, cores)]

    def describe(self, split: str, change: Callable[[dict[str, Any]], None]) -> None:
        """Change descriptions as another job would have them, and name every file of theirs anew."""
        for path in list((self.index / "cache").glob(f"*-{split}-description.txt")):
            asked = json.loads(path.read_bytes())
            change(asked)
            text = json.dumps(asked, indent=4)
            path.write_text(text, encoding="utf-8")
            old = path.name.split("-")[0]
            new = hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
            for file in list((self.index / "cache").glob(f"{old}-*")):
                file.rename(file.with_name(file.name.replace(old, new)))

    def flag(self, old: str, new: str) -> None:
        path = self.index / "flags-core.txt"
        text = path.read_text(encoding="utf-8")
        assert re.search(old, text)
        path.write_text(re.sub(old, new, text), encoding="utf-8")


@pytest.fixture
def copy(packed_runs, tmp_path) -> Copy:
    return Copy(packed_runs["lanes"], tmp_path)


def bare(asked: dict[str, Any]) -> None:
    """Leave what `from_pretrained` gives without a job's arguments."""
    asked["tokenizer"] = {key: asked["tokenizer"][key] for key in ("class", "tokenizer_path")}


def test_what_index_writes_a_stock_job_finds(copy: Copy) -> None:
    """Training and validation; also where the flags are gone, and where no map of core is there."""
    assert copy.faults() == copy.faults("c_valid_text_document") == []
    (copy.index / "flags-core.txt").unlink()
    assert copy.faults() == []
    for path in (copy.index / "cache").glob("*-GPTDataset-*"):
        path.unlink()
    assert copy.faults() == []


def test_an_identity_that_no_builder_gives_is_found(copy: Copy) -> None:
    """That of a tokenizer made without a job; unless the manifest gave it for a job that makes its own."""
    copy.describe("train", bare)
    said = "\n".join(copy.faults())
    assert (
        "got 'class', 'tokenizer_path', which no build_tokenizer of megatron-core 0.16 to 0.19 gives" in said
    )
    assert f"a job with these flags finds no maps of {NAME!r}" in said
    asked = json.loads(next((copy.index / "cache").glob("*-train-description.txt")).read_bytes())
    (copy.index / "flags-core.txt").unlink()
    assert copy.faults(own=asked["tokenizer"]) == []
    assert len(copy.faults()) == 1


@pytest.mark.parametrize(
    ("split", "change", "words"),
    [
        (
            "train",
            {"dataset_path": f"./{NAME}"},
            f"dataset_path: got './{NAME}', wanted '{NAME}', as the flags",
        ),
        ("valid", {"num_samples": 29}, "num_samples: got 29, wanted"),
        ("train", {"num_samples": 24}, "num_samples: got 24, wanted"),
        ("train", {"random_seed": 7}, "random_seed: got 7, wanted 1234"),
    ],
)
def test_another_request_is_no_hit(copy: Copy, split: str, change: dict[str, Any], words: str) -> None:
    """A prefix spelt otherwise, validation that the schedule does not ask for, samples, a seed."""
    copy.describe(split, lambda asked: asked.update(change))
    said = "\n".join(copy.faults(NAME if split == "train" else "c_valid_text_document"))
    assert words in said
    assert "finds no maps of" in said


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("--eval-interval 10", "--eval-interval 1", "num_samples: got"),
        ("--tokenizer-model .*", "--tokenizer-model t.model", "which is not there for a job in"),
        ("--tokenizer-model .*", "--tokenizer-model t.model", "at 't.model'"),
        (
            "--tokenizer-type .*",
            "--tokenizer-type HuggingFaceTokenizer",
            "wanted that of HuggingFaceTokenizer",
        ),
        (
            "--data-cache-path .*",
            "--data-cache-path cache",
            "--data-cache-path: got 'cache', which is another",
        ),
        ("--seq-length .*", "--seq-length many", "got flags that can't be read"),
        ("--seed .*\n", "", "got flags that can't be read"),
        (
            "--valid-data-path .*",
            "--valid-data-path other",
            "'other', wanted 'c_valid_text_document' among them",
        ),
    ],
)
def test_changed_flags_lead_elsewhere(copy: Copy, old: str, new: str, words: str) -> None:
    """Each flag that the name of a cache, or the way to it, depends on."""
    copy.flag(old, new)
    assert words in "\n".join(copy.faults("c_valid_text_document"))


def test_a_tokenizer_that_was_left_behind_is_missed(copy: Copy) -> None:
    """Its path names the cache, so it must lie there."""
    shutil.rmtree(copy.packed / "tokenizer")
    [said] = copy.faults()
    assert "--tokenizer-model: got 'tokenizer/tokenizer.model', which is not" in said


def test_a_version_that_finds_nothing_is_named(copy: Copy) -> None:
    """Of those that the maps are for, it alone; a version whose tokenizer is named like another's finds that one's."""
    described = (copy.index / "cache").glob("*-train-description.txt")
    there = {core for path in described for core in cores_of(json.loads(path.read_bytes())["tokenizer"])}
    assert there
    assert copy.faults(cores=sorted(there)) == []
    missing = [core for core in CORES if core not in there]
    [fault] = copy.faults(cores=CORES)
    assert f"a job of megatron-core {', '.join(missing)} finds no maps of 'c_text_document'" in fault
