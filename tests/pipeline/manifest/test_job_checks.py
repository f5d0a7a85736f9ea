"""What no job could find or train with is refused when the manifest is read, with its place and the way out."""

import json
from pathlib import Path

import pytest

from kakehi.pipeline.errors import ManifestError
from kakehi.pipeline.manifest.compile import load

TRAIN, ENCODE = "train: {vocab_size: 1000}", "encode: {eod: </s>}"
NEVER = "schedule: {eval_iters: 0}"
ALWAYS = "schedule: {global_batch: 8, eval_interval: 5, eval_iters: 1}"


def read(
    home: Path, index: str, *, tokenizer: str = "type: SentencePieceTokenizer", rows: int = 0, **steps: str
) -> dict[str, object]:
    """Read a manifest whose index has these lines; give the parameters of index."""
    vocab = {"<unk>": 0, "</s>": 1}
    model = {"version": "1.0", "model": {"type": "WordLevel", "vocab": vocab, "unk_token": "<unk>"}}
    (home / "tokenizer.json").write_text(json.dumps(model), encoding="utf-8")
    (home / "m.yaml").write_text(
        "corpus: c\nsources: {a: {ingest: {files: a.jsonl}}}\n"
        f"{steps.get('train', TRAIN)}\n{steps.get('encode', ENCODE)}\n"
        f"pack: {{lanes: 24, validation_rows: {rows}}}\n"
        f"index: {{readers: [{steps.get('reader', 'core')}], tokenizer: {{{tokenizer}}}, {index}}}\n",
        encoding="utf-8",
    )
    [step] = [step for step in load(home / "m.yaml").steps if step.stage.name == "index"]
    return dict(step.parameters)


def test_versions_are_read_as_yaml_spells_them(tmp_path: Path) -> None:
    """A number or text; without any, all that are known."""
    for spelt, wanted in (
        ("[0.16, '0.19']", ["0.16", "0.19"]),
        ("['0.17', 0.18]", ["0.17", "0.18"]),
        ("null", None),
    ):
        asked = read(tmp_path, NEVER, tokenizer=f"type: Llama2Tokenizer, core: {spelt}")
        assert asked["tokenizer"]["core"] == wanted  # type: ignore[index]


def test_each_fault_has_its_words(tmp_path: Path) -> None:
    """Versions not known, two forms at once, schedules that contradict themselves, the other steps, or a job."""
    sp = "type: SentencePieceTokenizer"
    jobs = "jobs: [{micro_batch: 2, data_parallel: 4, global_batch: 16}]"
    faults = [
        (NEVER, {"tokenizer": f"{sp}, core: [0.20]"}, 'in YAML 0.20 is 0.2: write "0.20"; wanted 0.16, 0.17'),
        (NEVER, {"tokenizer": f"{sp}, core: ['0.20']"}, "or 0.19; for another give unique_identifiers"),
        (NEVER, {"tokenizer": f"{sp}, core: []"}, "index.tokenizer.core"),
        (NEVER, {"tokenizer": f"{sp}, path: a b"}, "index.tokenizer.path"),
        (NEVER, {"tokenizer": f"{sp}, unique_identifiers: {{a: b}}"}, "wanted {type: …}, or {unique_identifiers"),
        (NEVER, {"tokenizer": "core: [0.16], unique_identifiers: {a: b}"}, "core and path go with type"),
        (NEVER, {"tokenizer": "class: x.Y"}, "unknown key 'class'"),
        (NEVER, {"tokenizer": "type: GPT2BPETokenizer"}, "index.tokenizer.type: input should be"),
        (NEVER, {"encode": "encode: {eod: <s>}"}, "SentencePieceTokenizer ends documents with '</s>', and encode.eod"),
        (NEVER, {"train": "train: {existing: tokenizer.json}"}, "reads no tokenizer.json, wanted HuggingFaceTokenizer"),
        ("seed: 1", {"rows": 9}, "index.schedule: pack holds 9 rows out for validation: wanted global_batch"),
        (ALWAYS, {}, "the job evaluates, and no document is held out: wanted pack.validation_rows"),
        ("schedule: {train_samples: 8, train_iters: 1, global_batch: 8}", {}, "wanted one of train_samples"),
        ("schedule: {train_iters: 8}", {}, "wanted global_batch, the rows of one"),
        ("schedule: {eval_iters: 8, global_batch: 8}", {}, "wanted eval_interval and eval_iters together"),
        ("schedule: {eval_interval: 8, global_batch: 8}", {}, "wanted eval_interval and eval_iters together"),
        ("schedule: {eval_iters: 0, validation_samples: 8}", {}, "or validation_samples in their place"),
        ("schedule: {train_samples: 7, global_batch: 8}", {}, "wanted a step at least"),
        (f"schedule: {{global_batch: 12}}, {jobs}", {}, "got 12, wanted a multiple of 2 × 4"),
        (f"schedule: {{global_batch: 8}}, {jobs}", {}, "index.jobs: global_batch: got 16, wanted 8, that of"),
    ]  # fmt: skip
    for index, more, words in faults:
        with pytest.raises(ManifestError) as caught:
            read(tmp_path, index, **more)
        assert words in caught.value.message


def test_what_a_job_can_have_is_taken(tmp_path: Path) -> None:
    """Evaluation where rows are held out, none, another job's identifiers; the fork is asked for no tokenizer."""
    read(tmp_path, ALWAYS, rows=9)
    read(tmp_path, NEVER, rows=9)
    read(tmp_path, "schedule: {validation_samples: 50}", rows=9)
    own = "unique_identifiers: {z: 1, a: null}"
    asked = read(tmp_path, "seed: 1", tokenizer=own, encode="encode: {eod: <s>}")
    assert asked["tokenizer"]["unique_identifiers"] == [("z", 1), ("a", None)]  # type: ignore[index]
    read(
        tmp_path, "seed: 1", tokenizer="type: HuggingFaceTokenizer", train="train: {existing: tokenizer.json}"
    )
    read(tmp_path, "seed: 1", rows=9, reader="fork")
