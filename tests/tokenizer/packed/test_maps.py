"""Maps say of every sample which row it is, under the names that readers look for."""

import errno
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from kakehi.tokenizer.packed import maps
from kakehi.tokenizer.packed.lanes import Lanes
from kakehi.tokenizer.packed.maps import Maps, core_flags, core_names, description, fork_flags, fork_names

LANES = Lanes(lanes=6, tile_rows=4, samples=66, rows=70)
STOCK = Lanes(lanes=1, tile_rows=1, samples=50, rows=51)
TOKENIZER = {"class": "x.Y", "tokenizer_path": "日本.model", "vocab_size": "48588"}


def asked(layout: Lanes = LANES, **changes) -> Maps:
    plain = Maps(
        prefix="c_text_document",
        layout=layout,
        sequence_tokens=16,
        samples=layout.samples,
        seed=1234,
        split="train",
        shuffled=layout is STOCK,
    )
    return plain._replace(**changes)


def refuse_links(*_: object) -> None:
    """Answer as FUSE, LTFS and vfat do."""
    raise PermissionError(errno.EPERM, "Operation not permitted")


def written(folder: Path, wanted: Maps) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    names = fork_names(wanted)
    maps.write_arrays(wanted, folder, names)
    document, sample, shuffle = (
        np.load(folder / names[name], mmap_mode="r") for name in ("document", "sample", "shuffle")
    )
    return document, sample, shuffle


def test_the_description_is_golden() -> None:
    """Keys in Megatron's order, null for splits, letters beyond ASCII escaped; the name is its md5."""
    text = description(asked(), TOKENIZER)
    assert text == (
        '{\n    "class": "GPTDataset",\n    "dataset_path": "c_text_document",\n    "num_samples": 66,\n'
        '    "index_split": "train",\n    "random_seed": 1234,\n    "sequence_length": 16,\n    "split": null,\n'
        '    "split_matrix": null,\n    "tokenizer": {\n        "class": "x.Y",\n'
        '        "tokenizer_path": "\\u65e5\\u672c.model",\n        "vocab_size": "48588"\n    }\n}'
    )
    digest = hashlib.md5(text.encode()).hexdigest()  # noqa: S324 - Megatron's choice
    assert core_names(asked(), TOKENIZER) == {
        "description": f"{digest}-GPTDataset-train-description.txt",
        "document": f"{digest}-GPTDataset-train-document_index.npy",
        "sample": f"{digest}-GPTDataset-train-sample_index.npy",
        "shuffle": f"{digest}-GPTDataset-train-shuffle_index.npy",
    }


@pytest.mark.parametrize(
    "change", [{"prefix": "./c_text_document"}, {"samples": 65}, {"seed": 1}, {"split": "valid"}]
)
def test_every_wish_has_its_own_name(change) -> None:
    """What differs in one thing is another cache."""
    assert core_names(asked(), TOKENIZER)["sample"] != core_names(asked(**change), TOKENIZER)["sample"]


def test_the_forks_names_are_golden() -> None:
    """Beside the prefix, with samples, length and seed."""
    assert fork_names(asked()) == {
        "document": "c_text_document_train_indexmap_66ns_16sl_1234s_doc_idx.npy",
        "sample": "c_text_document_train_indexmap_66ns_16sl_1234s_sample_idx.npy",
        "shuffle": "c_text_document_train_indexmap_66ns_16sl_1234s_shuffle_idx.npy",
    }


def test_the_names_of_gpt_neox_are_golden() -> None:
    """Beside the prefix too; on a list of prefixes with its number there and half a percent more samples."""
    ending = "ns_16sl_1234s_packedpi_ac"
    assert maps.neox_names(asked(), alone=True) == {
        "document": f"c_text_document_train_indexmap_66{ending}_doc_idx.npy",
        "sample": f"c_text_document_train_indexmap_66{ending}_sample_idx.npy",
        "shuffle": f"c_text_document_train_indexmap_66{ending}_shuffle_idx.npy",
    }
    listed = maps.neox_names(asked(split="valid", samples=1000), alone=False)
    assert listed["sample"] == f"c_text_document_valid_0_indexmap_1005{ending}_sample_idx.npy"
    assert maps.over_asked(200) == 201 < maps.over_asked(201)


def test_gpt_neox_reads_every_sample(tmp_path: Path) -> None:
    """It counts one entry of the shuffle less than there are: one more stands there, and the rest is the same."""
    names = maps.neox_names(asked(), alone=True)
    maps.write_arrays(asked(), tmp_path, names, more=1)
    document, sample, shuffle = written(tmp_path, asked())
    assert np.array_equal(np.load(tmp_path / names["document"]), document)
    assert np.array_equal(np.load(tmp_path / names["sample"]), sample)
    theirs = np.load(tmp_path / names["shuffle"])
    assert np.array_equal(theirs[:-1], shuffle)
    assert min(len(theirs), len(sample)) - 1 == 66


@pytest.mark.parametrize("block", [7, 1 << 20])
@pytest.mark.parametrize("layout", [LANES, STOCK])
def test_a_sample_is_one_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, layout: Lanes, block: int
) -> None:
    """From its first token to the first of what follows it in the order of sequences, whatever the blocks."""
    monkeypatch.setattr(maps, "_BLOCK", block)
    document, sample, shuffle = written(tmp_path, asked(layout))
    assert (document.dtype, sample.dtype, shuffle.dtype) == (np.int32, np.int32, np.uint32)
    assert sorted(document.tolist()) == list(range(layout.sequences))
    assert sample.shape == (layout.samples + 1, 2)
    assert sorted(shuffle.tolist()) == list(range(layout.samples))
    lengths = np.array([tokens for count, tokens in layout.runs(16) for _ in range(count)])[document]
    starts = np.cumsum(lengths) - lengths
    tokens = starts[sample[:, 0]] + sample[:, 1]
    assert tokens.tolist() == [16 * row for row in range(layout.samples + 1)]


def test_lanes_follow_each_other_and_stock_is_megatrons_own(tmp_path: Path) -> None:
    """A sample ends with the first token of its lane's next row, the last of a lane with the next lane's; the guard stays last."""
    document, sample, shuffle = written(tmp_path, asked())
    assert shuffle.tolist() == [k % 6 * 11 + k // 6 for k in range(66)]
    heights = np.array([-(-tokens // 16) for count, tokens in LANES.runs(16) for _ in range(count)])
    place, token = sample.T
    rows = (np.cumsum(heights) - heights)[document[place]] + token // 16
    first, after = (rows[shuffle[np.arange(66)] + more] for more in (0, 1))
    assert first.tolist() == LANES.row_of(np.arange(66)).tolist()
    following = [k + 6 if k < 60 else (k + 1) % 6 if k < 65 else 66 for k in range(66)]
    assert after.tolist() == LANES.row_of(np.array(following)).tolist()
    document, _, shuffle = written(tmp_path, asked(STOCK))
    state = np.random.RandomState(1234)
    rows, order = np.arange(50), np.arange(50)
    state.shuffle(rows)
    state.shuffle(order)
    assert document.tolist() == [*rows.tolist(), 50]
    assert shuffle.tolist() == order.tolist()


def test_validation_goes_round(tmp_path: Path) -> None:
    """Asked for more than there is, samples repeat; rows keep their places and the number comes out."""
    _, sample, shuffle = written(tmp_path, asked(STOCK, shuffled=False, split="valid", samples=120))
    assert shuffle.tolist() == [k % 50 for k in range(120)]
    assert len(sample) == 121
    assert sample[:51].tolist() == [[row, 0] for row in range(51)]


def test_training_beyond_the_rows_is_refused(tmp_path: Path) -> None:
    """A second epoch is packed anew, by the mix."""
    with pytest.raises(
        ValueError, match=r"samples: got 67, wanted 66 at most(.|\n)*hint: .*epochs in pack.mix"
    ):
        written(tmp_path, asked(samples=67))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("links", [True, False])
def test_other_names_hold_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, links: bool
) -> None:
    """Both readers read one set of arrays, or a copy where the file system has no hard links."""
    if not links:
        monkeypatch.setattr(os, "link", refuse_links)
    wanted = asked()
    maps.write_arrays(wanted, tmp_path, fork_names(wanted))
    maps.link(tmp_path, fork_names(wanted), core_names(wanted, TOKENIZER))
    for name, path in fork_names(wanted).items():
        assert (tmp_path / path).read_bytes() == (tmp_path / core_names(wanted, TOKENIZER)[name]).read_bytes()


def test_flags_say_what_the_names_say() -> None:
    """Seed and length as in the maps, and how long the job says; a cache that is missed is an error, never built."""
    train, valid = asked(), asked(STOCK, prefix="c_valid_text_document", split="valid", shuffled=False)
    job = ["--train-samples 66", "--eval-iters 0"]
    flags = core_flags(train, valid, "../cache", job)
    assert {"--train-data-path c_text_document", "--valid-data-path c_valid_text_document"} < {*flags}
    assert {"--dataloader-fast-cache-load", *job, "--seed 1234", "--seq-length 16"} < {*flags}
    assert not any("valid" in flag for flag in core_flags(train, None, "../cache", []))
    alone = fork_flags(train, None, "../cache", job)
    for name in fork_names(train).values():
        assert any(flag.endswith(f"idx-path ../cache/{name}") for flag in alone)
    assert {"--use-cached-dataset", "--split 100,0,0", "--train-tokens 1056", *job} < {*alone}
    assert json.loads(description(train, TOKENIZER))["num_samples"] == 66


def test_the_config_of_gpt_neox_is_yaml() -> None:
    """A prefix alone has no validation; with one, all three lists are there, as it demands."""
    alone = dict(
        line.split(": ") for line in maps.neox_config(asked(), None, "c", ["eval_iters: 0"]) if line[0] != "#"
    )
    assert alone["data_path"] == "c_text_document"
    assert (alone["split"], alone["eval_iters"], alone["seed"]) == ('"100,0,0"', "0", "1234")
    valid = asked(STOCK, prefix="v", split="valid", shuffled=False)
    listed = dict(line.split(": ") for line in maps.neox_config(asked(), valid, "c", []) if line[0] != "#")
    assert listed["train_data_paths"] == "[c_text_document]"
    assert listed["valid_data_paths"] == listed["test_data_paths"] == "[v]"
    assert not {"data_path", "split", "eval_iters"} & listed.keys()


def test_validation_behind_is_of_the_same_prefix(tmp_path: Path) -> None:
    """The split counts sequences; the arrays begin where those of training end."""
    valid = asked(STOCK, split="valid", shuffled=False, behind=22)
    assert "--split 22,51,0" in fork_flags(asked(), valid, "../cache", [])
    document, _, _ = written(tmp_path, valid)
    assert document.tolist() == list(range(22, 73))
