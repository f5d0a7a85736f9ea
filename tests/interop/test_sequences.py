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
    "0.19": Path(sys.prefix) / "core-0.19",
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
wrong = {prefix: [count - 1, entries] for prefix, (count, entries) in counts.items()}
for prefix in counts:
    for given in (counts, None, wrong):
        config = GPTDatasetConfig(
            random_seed=1, sequence_length=32, blend_per_split=[([prefix], None), None, None],
            tokenizer=types.SimpleNamespace(vocab_size=400, unique_identifiers={}, eod=2),
            reset_position_ids=False, reset_attention_mask=False, eod_mask_loss=True,
            sequences_per_dataset=given,
        )
        try:
            data = GPTDataset.build_low_level_dataset(prefix, config)
        except AssertionError:
            said[prefix].append("refused")
            continue
        tokens = [token for number in range(len(data)) for token in data.get(number).tolist()]
        said.setdefault(prefix, []).append(
            [data.sequence_lengths.tolist(), data.document_indices.tolist(), tokens]
        )
print(json.dumps(said))
"""


@pytest.mark.parametrize("version", CORES)
def test_counts_are_those_of_the_headers(packed_runs, version: str) -> None:
    """Every sequence and token of both binaries is the same; the counts are believed, so wrong ones are an error."""
    core, packed = CORES[version], packed_runs["lanes"]
    [counts] = [
        path / "sequences.json"
        for path in (packed.parents[1] / "index").iterdir()
        if packed.name in (path / "recipe.json").read_text(encoding="utf-8")
    ]
    said = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", SCRIPT, str(core), str(counts)],
        cwd=packed,
        env={**os.environ, "PYTHONPATH": str(core)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert said.returncode == 0, said.stderr[-2000:]
    found = json.loads(said.stdout.splitlines()[-1])
    assert sorted(found) == ["c_text_document", "c_valid_text_document"]
    for with_counts, without, with_wrong_counts in found.values():
        assert with_counts == without
        assert with_wrong_counts == "refused"
