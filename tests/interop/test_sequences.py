"""megatron-core takes the counts of sequences from the file that `index` writes, instead of every header."""

import json
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

pytest.importorskip("megatron.core", reason="the interop extra is not installed")

#: Where each version is: the installed one, and one that is only unpacked.
CORES = {
    "0.16": Path(find_spec("megatron.core").submodule_search_locations[0]).parents[1],
    "0.19": Path(os.environ.get("KAKEHI_CORE_019", Path(sys.prefix) / "core-0.19")),
}

#: The newer one's packages want Python 3.12 and triton where they begin; the datasets run without, below empty ones.
SCRIPT = """
import json, sys, types
core, counts = sys.argv[1], json.load(open(sys.argv[2]))
for name, path in (("megatron", f"{core}/megatron"), ("megatron.core", f"{core}/megatron/core")):
    sys.modules[name] = types.ModuleType(name)
    sys.modules[name].__path__ = [path]
import megatron.core.parallel_state as state
top = sys.modules["megatron"].core = sys.modules["megatron.core"]
top.parallel_state = top.mpu = state
from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig
said = {}
for prefix in counts:
    for given in (counts, None):
        config = GPTDatasetConfig(
            random_seed=1, sequence_length=32, blend_per_split=[([prefix], None), None, None],
            tokenizer=types.SimpleNamespace(vocab_size=400, unique_identifiers={}, eod=2),
            reset_position_ids=False, reset_attention_mask=False, eod_mask_loss=True,
            sequences_per_dataset=given,
        )
        data = GPTDataset.build_low_level_dataset(prefix, config)
        tokens = [token for number in range(len(data)) for token in data.get(number).tolist()]
        said.setdefault(prefix, []).append(
            [data.sequence_lengths.tolist(), data.document_indices.tolist(), tokens]
        )
print(json.dumps(said))
"""


def read_by_core(core: Path, folder: Path, counts: Path) -> "subprocess.CompletedProcess[str]":
    """Read every prefix with the counts and without, in the folder of the binaries."""
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(core), str(counts)],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(core)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("version", CORES)
def test_counts_are_those_of_the_headers(packed_runs, tmp_path: Path, version: str) -> None:
    """Every sequence and token of both binaries is the same; the counts are believed, so wrong ones are an error."""
    core = CORES[version]
    if not (core / "megatron").is_dir():
        pytest.skip(f"megatron-core {version} is not unpacked")
    packed = packed_runs["lanes"]
    [counts] = [
        path / "sequences.json"
        for path in (packed.parents[1] / "index").iterdir()
        if packed.name in (path / "recipe.json").read_text(encoding="utf-8")
    ]
    said = read_by_core(core, packed, counts)
    assert said.returncode == 0, said.stderr[-2000:]
    found = json.loads(said.stdout.splitlines()[-1])
    assert sorted(found) == ["c_text_document", "c_valid_text_document"]
    assert all(with_counts == without for with_counts, without in found.values())
    wrong = {name: [count - 1, entries] for name, (count, entries) in json.loads(counts.read_bytes()).items()}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong), encoding="utf-8")
    assert "AssertionError" in read_by_core(core, packed, tmp_path / "wrong.json").stderr
