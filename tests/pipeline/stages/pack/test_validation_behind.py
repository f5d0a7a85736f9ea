"""Held-out rows lie behind those for training too, and a reader that knows one prefix reads them there."""

import json
import shutil
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest

from kakehi.pipeline.errors import ParameterError
from kakehi.pipeline.inspection.provenance import open_packed
from kakehi.tokenizer.packed.checking import check_binary, check_maps
from kakehi.tokenizer.packed.indexed import Reader

pytestmark = pytest.mark.slow

NAME, VALID = "c_text_document", "c_valid_text_document"
MANIFEST = """\
corpus: c
sources: {{a: {{ingest: {{files: a.jsonl}}}}}}
train: {{vocab_size: 400}}
encode: {{eod: "</s>"}}
pack: {{sequence_tokens: 16, lanes: 4, tile_rows: 3, validation_rows: {rows}, validation_behind: {behind}}}
index:
  readers: [fork]
  schedule: {{global_batch: 4, train_iters: 20, eval_interval: 10, eval_iters: {evaluations}}}
"""


class Made(NamedTuple):
    """A finished run: the folder of the binaries, that of the maps, and the flags."""

    packed: Path
    maps: Path

    @property
    def about(self) -> dict:
        return json.loads((self.packed / "manifest.json").read_bytes())

    @property
    def flags(self) -> list[str]:
        return (self.maps / "flags-fork.txt").read_text(encoding="utf-8").splitlines()


@pytest.fixture(scope="module")
def runs(make, kakehi, tmp_path_factory) -> dict[str, Made]:
    """Run the same with and without."""
    home = tmp_path_factory.mktemp("behind")
    make.texts(home / "a.jsonl", 40)
    found = {}
    for behind in ("true", "false"):
        manifest = make.file(home / "m.yaml", MANIFEST.format(rows=12, behind=behind, evaluations=2))
        said = kakehi("run", manifest, "--work", home / "w")
        assert said.code == 0, said.err
        known = {path for made in found.values() for path in made}
        [packed] = {*(home / "w" / "pack").iterdir()} - known
        [maps] = {*(home / "w" / "index").iterdir()} - known
        found[behind] = Made(packed, maps)
    return found


def test_the_binary_is_the_same_with_the_other_behind(runs: dict[str, Made]) -> None:
    """Bytes and sequences; the arrays for training are the same, and the other binary is as ever."""
    alone, joined = runs["false"].packed, runs["true"].packed
    held = (alone / f"{VALID}.bin").read_bytes()
    assert (joined / f"{VALID}.bin").read_bytes() == held
    assert (joined / f"{NAME}.bin").read_bytes() == (alone / f"{NAME}.bin").read_bytes() + held
    lengths = [Reader(alone / name).lengths.tolist() for name in (NAME, VALID)]
    assert Reader(joined / NAME).lengths.tolist() == [*lengths[0], *lengths[1]]
    names = sorted(path.name for path in (runs["false"].maps / "cache").iterdir())
    assert len(names) == 3
    for name in names:
        first, second = (made.maps / "cache" / name for made in runs.values())
        assert first.read_bytes() == second.read_bytes()


def test_the_fork_reads_what_is_held_out(runs: dict[str, Made]) -> None:
    """By the names, the split and the arrays of its one prefix: each row of the other binary, over and over."""
    made = runs["true"]
    asked = (20 // 10 + 1) * 2 * 4
    document, sample, shuffle = (
        np.load(made.maps / "cache" / f"{NAME}_valid_indexmap_{asked}ns_16sl_1234s_{kind}_idx.npy")
        for kind in ("doc", "sample", "shuffle")
    )
    assert len(sample) - 1 >= asked
    [split] = [flag for flag in made.flags if flag.startswith("--split ")]
    train, valid, test = map(int, split.removeprefix("--split ").split(","))
    assert (train + valid, test) == (len(Reader(made.packed / NAME).lengths), 0)
    assert document.tolist() == list(range(train, train + valid))
    reader = Reader(made.packed / NAME)
    wanted = np.fromfile(made.packed / f"{VALID}.bin", np.uint16)
    rows = made.about["binaries"][VALID]["samples"]
    for k in range(asked):
        (first, token), (last, stop) = sample[shuffle[k]], sample[shuffle[k] + 1]
        got = [*reader.document(document[first])[token:], *reader.document(document[last])[: stop + 1]]
        start = 16 * (k % rows)
        assert got == wanted[start : start + 17].tolist()


def test_its_flags_say_so(runs: dict[str, Made]) -> None:
    """Evaluation where the rows are there, and none where they are not; tokens as well as samples."""
    assert {"--eval-interval 10", "--eval-iters 2", "--train-iters 20", "--train-tokens 1280"} < {
        *runs["true"].flags
    }
    assert {"--eval-iters 0", "--split 100,0,0"} < {*runs["false"].flags}


def test_a_token_behind_leads_to_its_document_too(runs: dict[str, Made]) -> None:
    """By its place in either binary; and what is held out is found where the rows lie behind, in no sample."""
    joined, alone = (open_packed(runs["true"].packed / name) for name in (NAME, VALID))
    first = joined.layout.tokens(16)
    found, wanted = joined.token(first + 17), alone.token(17)
    assert found == {**wanted, "first_token": wanted["first_token"] + first}
    [told], [held] = (packed.documents(wanted["id"]) for packed in (joined, alone))
    assert [piece["first_token"] - first for piece in told["pieces"]] == [
        piece["first_token"] for piece in held["pieces"]
    ]
    assert {piece["sample"] for piece in told["pieces"]} == {None}


def test_check_knows_both_parts(runs: dict[str, Made], tmp_path: Path) -> None:
    """No fault in what was made; a changed token behind the own rows is one, and so is a changed map."""
    made = runs["true"]
    assert [*check_binary(made.packed / NAME, made.about)] == []
    assert [*check_maps(made.maps / "cache", made.packed / NAME, made.about)] == []
    shutil.copytree(made.packed, tmp_path, dirs_exist_ok=True)
    with (tmp_path / f"{NAME}.bin").open("r+b") as file:
        file.seek(-40, 2)
        file.write(b"\1\0")
    faults = [*check_binary(tmp_path / NAME, made.about)]
    assert any(fault.endswith(f"got other ids behind its own than those of {VALID}") for fault in faults)
    shutil.copytree(made.maps / "cache", tmp_path, dirs_exist_ok=True)
    [array] = tmp_path.glob("*_valid_*_doc_idx.npy")
    np.save(array, np.load(array) - 1)
    [fault] = check_maps(tmp_path, tmp_path / NAME, made.about)
    assert f"{array.name}: entry 0" in fault


def test_nothing_to_put_behind_is_an_error(make, kakehi, tmp_path: Path) -> None:
    """When the manifest is read."""
    make.texts(tmp_path / "a.jsonl", 40)
    text = MANIFEST.format(rows=0, behind="true", evaluations=0).replace("eval_interval: 10, ", "")
    manifest = make.file(tmp_path / "m.yaml", text)
    said = kakehi("run", manifest, "--work", tmp_path / "w", "--until", "pack")
    assert said.code == ParameterError.exit_code
    assert "pack.validation_behind: got true, and nothing is held out; give validation_rows" in said.err
