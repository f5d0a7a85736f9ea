"""A stock job of Megatron starts from `flags-core.txt` alone: it finds our maps, builds nothing, and reads our samples."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from kakehi.tokenizer.packed.stock_job import CORES, TokenizerType, unique_identifiers, validation_samples

pytest.importorskip("torch", reason="the interop extra is not installed")

S = 32
TYPES: tuple[TokenizerType, ...] = get_args(TokenizerType)

#: Version to the folder that comes first on the path; a folder that is not there fails, it does not skip.
VERSIONS = {"0.16.1": None, "0.19.2": Path(sys.prefix) / "core-0.19"}

#: Schedules: all rows, so many samples, so many steps.
SCHEDULES = {
    "SentencePieceTokenizer": "{global_batch: 8, eval_interval: 20, eval_iters: 1}",
    "GPTSentencePieceTokenizer": "{train_samples: 203, global_batch: 8, eval_interval: 5, eval_iters: 3}",
    "Llama2Tokenizer": "{train_iters: 24, global_batch: 8, eval_interval: 12, eval_iters: 2}",
    "HuggingFaceTokenizer": "{global_batch: 8, eval_interval: 30, eval_iters: 1}",
}

#: A job whose tokenizer.json `train` did not make.
EXPORTED = "existing tokenizer.json"

#: Spellings that lead to no cache, as users have them: paths from elsewhere, a job that goes on longer or evaluates more.
MISSES = {
    "a prefix with ./": ("--train-data-path ", "--train-data-path ./"),
    "an absolute prefix": ("--train-data-path ", "--train-data-path {packed}/"),
    "a tokenizer from elsewhere": ("--tokenizer-model ", "--tokenizer-model {packed}/"),
    "a longer job": ("--train-iters 24", "--train-iters 25"),
    "more evaluations": ("--eval-interval 12", "--eval-interval 6"),
    "another seed": ("--seed 1234", "--seed 42"),
}

PACKED = """\
encode: {eod: </s>}
pack: {sequence_tokens: 32, lanes: 24, tile_rows: 5, validation_rows: 40}
"""


def index(kind: str, stage: str) -> str:
    return (
        f"{stage}: {{stage: index, readers: [core], tokenizer: {{type: {kind}}}, schedule: {SCHEDULES[kind]}, "
        "jobs: [{micro_batch: 2, data_parallel: 4}]}\n"
    )


def tokenizer_json(home: Path, texts: list[str]) -> Path:
    """Make a byte-level tokenizer.json whose `</s>` is special."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers  # noqa: PLC0415 - only here

    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    made.train_from_iterator(
        texts, trainers.BpeTrainer(vocab_size=400, special_tokens=["</s>"], initial_alphabet=alphabet)
    )
    made.save(str(home / "tokenizer.json"))
    return home / "tokenizer.json"


@pytest.fixture(scope="module")
def jobs(make, kakehi, tmp_path_factory) -> dict[Any, tuple[Path, Path]]:
    """Give, by tokenizer, the folder of the binaries and the flags: of each type, and of a tokenizer.json that was there."""
    home = tmp_path_factory.mktemp("stock")
    texts = [make.text(("b", i), 1 + i % 60) for i in range(150)]
    make.jsonl(home / "b.jsonl", ({"id": str(i), "text": text} for i, text in enumerate(texts)))
    begin = "corpus: c\nsources: {b: {ingest: {files: b.jsonl}}}\n"
    model = begin + "train: {vocab_size: 400}\n" + PACKED
    make.file(home / "model.yaml", model + "".join(index(kind, kind.lower()) for kind in TYPES))
    exported = begin + f"train: {{existing: {tokenizer_json(home, texts)}}}\n" + PACKED
    make.file(home / "json.yaml", exported + index("HuggingFaceTokenizer", "huggingfacetokenizer"))
    for name in ("model", "json"):
        said = kakehi("run", home / f"{name}.yaml", "--work", home / name)
        assert said.code == 0, said.err
    found = {}
    for kind, work in [*((kind, "model") for kind in TYPES), ("HuggingFaceTokenizer", "json")]:
        [flags] = (home / work / kind.lower()).glob("*/flags-core.txt")
        [packed] = (home / work / "pack").iterdir()
        found[kind if work == "model" else EXPORTED] = packed, flags
    return found


@pytest.fixture(scope="module")
def missed(jobs, tmp_path_factory) -> dict[str, Path]:
    """Give flags that were changed by hand, by what was changed."""
    packed, flags = jobs["Llama2Tokenizer"]
    home, text = tmp_path_factory.mktemp("missed"), flags.read_text(encoding="utf-8")
    found = {}
    for number, (name, (old, new)) in enumerate(MISSES.items()):
        assert old in text
        found[name] = home / f"{number}.txt"
        found[name].write_text(text.replace(old, new.format(packed=packed)), encoding="utf-8")
    return found


@pytest.fixture(scope="module", params=VERSIONS)
def started(request, jobs, missed, tmp_path_factory) -> tuple[str, dict[str, Any], Any]:
    """Start every job under one version of megatron-core; give its name, what it said and what it read."""
    first = VERSIONS[request.param]
    assert first is None or first.exists(), f"{first}: is not there: make interop brings it"
    assert importlib.util.find_spec("transformers"), "transformers is not installed: make interop brings it"
    out = tmp_path_factory.mktemp("started") / "read.npz"
    paths = [os.fspath(path) for path in (first,) if path] + [os.environ.get("PYTHONPATH", "")]
    said = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("stock_job.py")),
            str(out),
            *(f"{folder}={flags}" for folder, flags in jobs.values()),
            *(f"{jobs['Llama2Tokenizer'][0]}={flags}" for flags in missed.values()),
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths)), "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert said.returncode == 0, said.stderr[-4000:]
    return request.param, json.loads(said.stdout.splitlines()[-1]), np.load(out)


def ours(packed: Path, name: str, samples: int) -> np.ndarray[Any, Any]:
    """Read samples from the `.bin` by the arithmetic of lanes: S tokens each and the first of the lane's next row."""
    about = json.loads((packed / "manifest.json").read_bytes())["binaries"][name]
    lanes, height, there = about["lanes"], about["tile_rows"], about["samples"]
    ids = np.fromfile(packed / f"{name}.bin", np.uint16).astype(np.int64)
    turns = there // lanes
    full = turns // height * height

    def row_of(k: int) -> int:
        lane, time = k % lanes, k // lanes
        if k >= there:
            return k
        if time < full:
            return time // height * lanes * height + lane * height + time % height
        return full * lanes + lane * (turns - full) + time - full

    found = []
    for k in (number % there for number in range(samples)):
        # Behind a lane comes the next lane, behind the last what is no sample.
        after = k + lanes if k + lanes < there else k % lanes + 1 if k % lanes + 1 < lanes else there
        found.append([*ids[row_of(k) * S :][:S], ids[row_of(after) * S]])
    return np.array(found)


@pytest.mark.slow
def test_a_stock_job_finds_our_maps_and_reads_our_samples(started, jobs) -> None:
    """For every tokenizer type: its identity is the one worked out, no file is new or touched, every token is ours."""
    version, said, read = started
    core = next(core for core in CORES if version.startswith(core))
    assert (
        said["version"].partition("+")[0] == version
    )  # behind it the commit of whatever checkout it lies in
    for kind, (packed, flags) in jobs.items():
        told, about = said["jobs"][str(flags)], json.loads((packed / "manifest.json").read_bytes())
        path = told["identity"]["tokenizer_path"]
        asked: TokenizerType = "HuggingFaceTokenizer" if kind == EXPORTED else kind
        assert list(told["identity"].items()) == list(unique_identifiers(asked, path, core).items())
        assert told["untouched"]
        assert (told["eod"], told["test"]) == (about["eod"], None)
        for split, name, size in zip(
            ("train", "valid"), ("c_text_document", "c_valid_text_document"), told["sizes"], strict=False
        ):
            available = about["binaries"][name]["samples"]
            assert told[split] == max(size, available)
            assert size <= available or split == "valid"
            rows = ours(packed, name, told[split])
            tokens, labels, mask = (
                read[f"{flags}:{split}/{part}"] for part in ("tokens", "labels", "loss_mask")
            )
            assert np.array_equal(tokens, rows[:, :-1])
            assert np.array_equal(labels, rows[:, 1:])
            assert np.array_equal(mask == 0, tokens == about["eod"])


@pytest.mark.slow
def test_jobs_ask_for_what_their_schedules_say(started, jobs) -> None:
    """All rows; 203 samples, which are 25 steps; 24 steps: and as often as Megatron evaluates."""
    _, said, _ = started
    sizes = {kind: said["jobs"][str(flags)]["sizes"] for kind, (_, flags) in jobs.items()}
    assert sizes["GPTSentencePieceTokenizer"] == [203, validation_samples(25, 5, 3, 8), 24]
    assert sizes["Llama2Tokenizer"] == [192, 3 * 2 * 8, 16]
    for kind in ("SentencePieceTokenizer", "HuggingFaceTokenizer", EXPORTED):
        about = json.loads((jobs[kind][0] / "manifest.json").read_bytes())
        assert sizes[kind][0] == about["binaries"]["c_text_document"]["samples"]


@pytest.mark.slow
def test_what_check_calls_a_miss_is_one(started, jobs, missed, kakehi) -> None:
    """Megatron finds no file for flags that were changed by hand, and `check --maps` says so before."""
    _, said, _ = started
    packed, flags = jobs["Llama2Tokenizer"]
    text = flags.read_text(encoding="utf-8")
    try:
        for name, changed in missed.items():
            assert said["jobs"][str(changed)]["error"] == "FileNotFoundError", name
            flags.write_text(changed.read_text(encoding="utf-8"), encoding="utf-8")
            prefixes = [packed / "c_text_document", packed / "c_valid_text_document"]
            checks = [kakehi("check", prefix, "--maps", flags.parent / "cache") for prefix in prefixes]
            assert 3 in {check.code for check in checks}, name
    finally:
        flags.write_text(text, encoding="utf-8")
    assert kakehi("check", packed / "c_text_document", "--maps", flags.parent / "cache").code == 0
