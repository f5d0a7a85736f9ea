"""index: maps under the names of each reader, and flags that lead to them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.errors import ParameterError
from kakehi.pipeline.stages.pack.index import Job, index
from kakehi.tokenizer.packed.indexed import Reader


@pytest.fixture
def run(make, packed_runs, tmp_path):
    """Call the stage on finished binaries; give its folder and its counts."""

    def called(layout: str = "lanes", **parameters):
        out = tmp_path / "index" / "ADDRESS"
        out.mkdir(parents=True)
        inputs = make.inputs(packed=packed_runs[layout])
        object.__setattr__(inputs, "scratch", out / ".shuffle")
        return out, index(inputs, out, Inline(), **parameters)

    return called


def names(out: Path) -> list[str]:
    return sorted(path.name for path in (out / "cache").iterdir())


def test_the_fork_has_three_arrays_for_training(run) -> None:
    """And flags that name them, from the folder of the binaries; none for validation, which it can't take."""
    out, counts = run()
    assert len(names(out)) == 3
    assert all(f"_train_indexmap_{counts['train_samples']}ns_32sl_1234s_" in name for name in names(out))
    flags = (out / "flags-fork.txt").read_text(encoding="utf-8")
    assert all(f"ADDRESS/cache/{name}\n" in flags for name in names(out))
    assert not (out / "flags-core.txt").exists()


def test_core_has_four_files_for_each_binary(run) -> None:
    """Named by what the job asks for; arrays that both readers want are there once."""
    tokenizer = {"class": "x.Y", "tokenizer_path": "t.model"}
    out, counts = run(
        readers=["core", "fork"], tokenizer=tokenizer, train_samples=24, validation_samples=100, seed=7
    )
    assert counts == {"train_samples": 24, "validation_samples": 100}
    assert len(names(out)) == 4 + 4 + 3
    for path in (out / "cache").glob("*-description.txt"):
        asked = json.loads(path.read_bytes())
        assert asked["num_samples"] == (24 if asked["index_split"] == "train" else 100)
        assert (asked["random_seed"], asked["tokenizer"]) == (7, tokenizer)
    assert sum(path.stat().st_nlink == 2 for path in (out / "cache").iterdir()) == 6
    flags = (out / "flags-core.txt").read_text(encoding="utf-8")
    assert "--train-samples 24\n" in flags
    assert "--valid-data-path c_valid_text_document\n" in flags
    sequences = json.loads((out / "sequences.json").read_bytes())
    assert sorted(sequences) == ["c_text_document", "c_valid_text_document"]
    assert all(documents == count + 1 for count, documents in sequences.values())


def test_gpt_neox_has_three_arrays_for_each_binary(run) -> None:
    """And a piece of its configuration that says where they belong."""
    out, counts = run(readers=["neox"], validation_samples=100, seed=7)
    assert len(names(out)) == 3 + 3
    assert sum("_valid_0_indexmap_101ns_32sl_7s_packedpi_ac_" in name for name in names(out)) == 3
    config = (out / "flags-neox.yml").read_text(encoding="utf-8")
    assert "ADDRESS/cache/*_packedpi_ac_*_idx.npy" in config
    assert f"must be {counts['train_samples']}," in config


def test_documents_are_kept_from_each_other_where_sequences_are_pieces(run) -> None:
    """The flag is asked for; binaries of tiles, which it would mask nothing of, are refused with the way out."""
    asked = {"readers": ["core"], "tokenizer": {"class": "x.Y"}}
    out, _ = run("pieces", **asked, inter_document_masking=True)
    assert "--dataloader-inter-document-masking\n" in (out / "flags-core.txt").read_text(encoding="utf-8")
    assert "needs megatron-core 0.19" in (out / "notes-core.txt").read_text(encoding="utf-8")
    shutil.rmtree(out)
    out, _ = run("pieces", **asked)
    assert "masking" not in "".join(path.read_text(encoding="utf-8") for path in out.glob("*.txt"))
    shutil.rmtree(out)
    out, _ = run(**asked)
    assert "would mask nothing here" in (out / "notes-core.txt").read_text(encoding="utf-8")
    shutil.rmtree(out)
    with pytest.raises(
        ParameterError, match=r"index\.inter_document_masking: .* would mask nothing"
    ) as caught:
        run(**asked, inter_document_masking=True)
    assert "sequences: pieces" in str(caught.value.hint)


@pytest.mark.parametrize("layout", ["lanes", "stock"])
def test_pieces_are_read_in_the_order_of_tiles(run, packed_runs, layout: str) -> None:
    """Sample by sample the same row, which now begins with a sequence; documents stay in their order."""
    found = []
    for name in (layout, "pieces" if layout == "lanes" else "stock pieces"):
        out, _ = run(name, seed=5)
        [shuffle] = (out / "cache").glob("*_shuffle_idx.npy")
        document, sample = (np.load(str(shuffle).replace("shuffle", kind)) for kind in ("doc", "sample"))
        first, offset = sample[np.load(shuffle)].T
        reader = Reader(packed_runs[name] / "c_text_document")
        found.append((reader.offsets[document[first]] // 2 + offset).tolist())
        shutil.rmtree(out)
    assert found[0] == found[1]
    assert not offset.any()
    assert document.tolist() == list(range(len(reader)))


def test_more_samples_than_there_are_is_an_error(run) -> None:
    """A second epoch is packed anew, by the mix."""
    with pytest.raises(ValueError, match=r"wanted .* at most: there are no more"):
        run(train_samples=10**6)


def test_stock_goes_in_megatrons_order(run) -> None:
    """The seed is Megatron's own."""
    out, _ = run("stock", seed=5)
    [path] = (out / "cache").glob("*_shuffle_idx.npy")
    order = np.load(path)
    assert sorted(order.tolist()) == list(range(len(order)))
    assert order.tolist() != list(range(len(order)))


def test_several_binaries_are_megatrons_to_blend(run, packed_runs, make, tmp_path, monkeypatch) -> None:
    """Their maps hold what the blend asks of each, which this can't know."""
    home = make.file(tmp_path / "two" / "manifest.json", "")
    about = json.loads((packed_runs["stock"] / "manifest.json").read_bytes())
    about["binaries"]["c_01_text_document"] = about["binaries"]["c_text_document"]
    home.write_text(json.dumps(about), encoding="utf-8")
    monkeypatch.setitem(packed_runs, "two", home.parent)
    with pytest.raises(ParameterError, match="index: got 2 binaries for training, wanted one"):
        run("two")


def test_a_job_needs_ranks() -> None:
    """All else has a default."""
    assert Job(data_parallel=4).micro_batch == 1
