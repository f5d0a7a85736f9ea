"""index: maps under the names of each reader, and flags that lead to them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.errors import ParameterError
from kakehi.pipeline.stages.pack.index import Job, index
from kakehi.pipeline.stages.pack.job_tokenizer import JobTokenizer
from kakehi.pipeline.stages.pack.schedule import Schedule
from kakehi.tokenizer.packed.indexed import Reader
from kakehi.tokenizer.packed.stock_job import unique_identifiers


@pytest.fixture
def run(make, packed_runs, tmp_path):
    """Call the stage on finished binaries; give its folder and its counts."""

    def called(layout: str = "lanes", made: Path | None = None, **parameters):
        out = tmp_path / "index" / "ADDRESS"
        out.mkdir(parents=True)
        packed = packed_runs[layout]
        if made is not None:
            packed = tmp_path / "pack" / "ADDRESS"
            make.file(
                packed / "manifest.json", (packed_runs[layout] / "manifest.json").read_text(encoding="utf-8")
            )
            shutil.copytree(made, packed / "tokenizer", dirs_exist_ok=True)
        inputs = make.inputs(packed=packed)
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


def test_core_has_four_files_for_each_binary_and_name(run) -> None:
    """Named by what the job asks for under each version; arrays that both readers want are there once."""
    out, counts = run(
        readers=["core", "fork"],
        tokenizer=JobTokenizer(type="Llama2Tokenizer", core=["0.16", "0.17", "0.19"]),
        schedule=Schedule(train_samples=24, global_batch=8, eval_interval=2, eval_iters=5),
        seed=7,
    )
    assert counts == {"train_samples": 24, "validation_samples": 80}
    assert len(names(out)) == 2 * (4 + 4) + 3
    for name in (out / "cache").glob("*-description.txt"):
        asked = json.loads(name.read_bytes())
        assert asked["num_samples"] == (24 if asked["index_split"] == "train" else 80)
        path = asked["tokenizer"]["tokenizer_path"]
        assert (path, asked["random_seed"]) == ("tokenizer/tokenizer.model", 7)
        assert asked["tokenizer"] in [
            unique_identifiers("Llama2Tokenizer", path, v) for v in ("0.16", "0.19")
        ]
    assert sorted(path.stat().st_nlink for path in (out / "cache").iterdir()) == [1] * 4 + [2] * 6 + [3] * 9
    flags = (out / "flags-core.txt").read_text(encoding="utf-8").splitlines()
    assert "--tokenizer-model tokenizer/tokenizer.model" in flags
    wanted = (
        "--valid-data-path c_valid_text_document --train-samples 24 --global-batch-size 8 --eval-interval 2"
    )
    for flag in [
        *wanted.replace(" --", "\n--").split("\n"),
        "--eval-iters 5",
        "--tokenizer-type Llama2Tokenizer",
    ]:
        assert flag in flags


def test_a_job_may_build_its_own_tokenizer_and_evaluate_by_its_own_flags(run) -> None:
    """No flag says then what it does; the cache is named by what the manifest says it has."""
    own = {"tokenizer_path": "t.model", "class": "x.Y"}
    schedule = Schedule(train_iters=3, global_batch=8, validation_samples=100)
    out, counts = run(readers=["core"], tokenizer=JobTokenizer(unique_identifiers=own), schedule=schedule)
    assert counts == {"train_samples": 24, "validation_samples": 100}
    found = [json.loads(path.read_bytes()) for path in (out / "cache").glob("*-description.txt")]
    assert [list(asked["tokenizer"].items()) for asked in found] == [list(own.items())] * 2
    flags = (out / "flags-core.txt").read_text(encoding="utf-8")
    assert "--train-iters 3\n--global-batch-size 8\n--eod-mask-loss\n" in flags
    sequences = json.loads((out / "sequences.json").read_bytes())
    assert sorted(sequences) == ["c_text_document", "c_valid_text_document"]
    assert all(documents == count + 1 for count, documents in sequences.values())


def test_gpt_neox_has_three_arrays_for_each_binary(run) -> None:
    """And a piece of its configuration that says where they belong."""
    out, counts = run(readers=["neox"], schedule=Schedule(validation_samples=100), seed=7)
    assert len(names(out)) == 3 + 3
    assert sum("_valid_0_indexmap_101ns_32sl_7s_packedpi_ac_" in name for name in names(out)) == 3
    config = (out / "flags-neox.yml").read_text(encoding="utf-8")
    assert "ADDRESS/cache/*_packedpi_ac_*_idx.npy" in config
    assert f"must be {counts['train_samples']}," in config


def test_gpt_neox_is_told_its_schedule_in_whole_steps(run) -> None:
    """29 samples are 3 steps of 8 to it, and its maps are named for what these ask."""
    schedule = Schedule(train_samples=29, global_batch=8, eval_interval=2, eval_iters=5)
    out, counts = run(readers=["neox"], schedule=schedule)
    assert counts == {"train_samples": 29, "validation_samples": 80}
    config = (out / "flags-neox.yml").read_text(encoding="utf-8")
    assert "train_batch_size: 8\ntrain_iters: 3\neval_interval: 2\neval_iters: 5\n" in config
    assert "must be 24," in config
    assert sum("_train_0_indexmap_25ns_" in name for name in names(out)) == 3


def test_documents_are_kept_from_each_other_where_sequences_are_pieces(run) -> None:
    """The flag is asked for; binaries of tiles, which it would mask nothing of, are refused with the way out."""
    asked = {"readers": ["core"], "tokenizer": JobTokenizer(unique_identifiers={"class": "x.Y"})}
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


def test_a_job_that_never_evaluates_has_no_validation(run) -> None:
    """Megatron divides by the interval all the same. A path of one's own is the one in the names."""
    out, counts = run(readers=["core"], tokenizer=JobTokenizer(type="SentencePieceTokenizer", path="t.model"))
    assert counts["validation_samples"] == 0
    flags = (out / "flags-core.txt").read_text(encoding="utf-8")
    assert "--eval-interval 1000\n--eval-iters 0\n" in flags
    assert "--tokenizer-model t.model\n" in flags
    assert "--valid" not in flags
    for path in (out / "cache").glob("*-description.txt"):
        assert json.loads(path.read_bytes())["tokenizer"]["tokenizer_path"] == "t.model"


def test_a_folder_of_hugging_face_is_named_as_a_folder(run, tmp_path) -> None:
    """It needs two files there; its configuration names the end of a document, as text or as a token."""
    words = {"<unk>": 0, "a": 1, "</s>": 2, "b": 3}
    made = tmp_path / "made"
    made.mkdir()
    model = {"type": "WordLevel", "vocab": words, "unk_token": "<unk>"}
    (made / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": model}), encoding="utf-8")
    wanted = JobTokenizer(type="HuggingFaceTokenizer")
    with pytest.raises(ParameterError, match=r"which reads tokenizer_config.json.*train has: tokenizer.json"):
        run(made=made, readers=["core"], tokenizer=wanted)
    shutil.rmtree(tmp_path / "index")
    (made / "tokenizer_config.json").write_text('{"eos_token": "b"}', encoding="utf-8")
    with pytest.raises(ParameterError, match=r"takes 'b' \(id 3\) for the end of a document, wanted id 2"):
        run(made=made, readers=["core"], tokenizer=wanted)
    shutil.rmtree(tmp_path / "index")
    (made / "tokenizer_config.json").write_text('{"eos_token": {"content": "</s>"}}', encoding="utf-8")
    out, _ = run(made=made, readers=["core"], tokenizer=wanted)
    assert "--tokenizer-model tokenizer\n" in (out / "flags-core.txt").read_text(encoding="utf-8")


def test_more_than_there_is_is_an_error(run, packed_runs, make, tmp_path, monkeypatch) -> None:
    """A second epoch is packed anew, by the mix; and nothing can be evaluated on where nothing is held out."""
    for asked in (Schedule(train_samples=10**6), Schedule(train_iters=10**5, global_batch=8)):
        with pytest.raises(ParameterError, match=r"index\.schedule: .* at most: there are no more") as caught:
            run(schedule=asked)
        key = "train_iters" if asked.train_iters else "train_samples"
        assert str(caught.value.hint).startswith(f"{key}: ")
        shutil.rmtree(tmp_path / "index")
    about = json.loads((packed_runs["lanes"] / "manifest.json").read_bytes())
    about["binaries"] = {"c_text_document": about["binaries"]["c_text_document"]}
    home = make.file(tmp_path / "none" / "manifest.json", json.dumps(about))
    monkeypatch.setitem(packed_runs, "none", home.parent)
    with pytest.raises(ParameterError, match=r"index\.schedule: got evaluation, wanted none"):
        run("none", schedule=Schedule(global_batch=8, eval_interval=1, eval_iters=1))


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
