"""Read samples as megatron-core does and lay down all that a training step is given. Run as a script: see `main`.

Of a core that only lies in a folder (0.19's wheel says Python 3.12, but its data sets run on 3.11) the packages above
its data sets are registered empty, because what they import (triton) isn't there.
"""

import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np


def main() -> None:
    """Take a request on stdin, `{core, reads: [{out, packed, cache, samples, …}]}`, and write an `.npz` for each read."""
    asked = json.load(sys.stdin)
    if asked["core"]:
        register(Path(asked["core"]))
    for read in asked["reads"]:
        os.chdir(read["home"])  # as a job does: the name of a cache is over the prefix as it is spelt
        np.savez(read["out"], **taken(read))


def register(core: Path) -> None:
    """Register the two packages above the data sets without running them; what they would import comes first."""
    for name, folder in (("megatron", "megatron"), ("megatron.core", "megatron/core")):
        module: Any = types.ModuleType(name)
        module.__path__ = [str(core / folder)]
        sys.modules[name] = module
    import megatron.core.parallel_state as state  # noqa: PLC0415 - behind the registration

    setattr(sys.modules["megatron.core"], "parallel_state", state)  # noqa: B010 - a module of no type
    sys.modules["megatron.core.mpu"] = state


def taken(read: dict[str, Any]) -> dict[str, np.ndarray[Any, Any]]:
    """Build the data set by the cache alone and stack every part of its samples."""
    from megatron.core.datasets.blended_megatron_dataset_builder import (  # noqa: PLC0415 - optional
        BlendedMegatronDatasetBuilder,
    )
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig  # noqa: PLC0415 - optional

    class Tokenizer:
        unique_identifiers = read["identifiers"]
        eod, pad, vocab_size = read["eod"], -1, read["vocab_size"]

    options = {
        "reset_position_ids": False,
        "reset_attention_mask": False,
        "eod_mask_loss": True,
        "create_attention_mask": False,
        "fast_cache_load": True,
        **read["options"],
    }
    config = GPTDatasetConfig(
        random_seed=read["seed"],
        sequence_length=read["sequence_tokens"],
        blend_per_split=[([name], None) for name in read["prefixes"]] + [None],
        path_to_cache=read["cache"],
        tokenizer=Tokenizer(),
        **options,
    )
    built = BlendedMegatronDatasetBuilder(GPTDataset, [*read["samples"], 0], lambda: True, config).build()
    rows = {
        part: [data[k] for k in range(len(data))] for part, data in zip(("", "valid "), built, strict=False)
    }
    return {
        part + name: np.stack([np.asarray(row[name]) for row in every])
        for part, every in rows.items()
        for name in every[0]
    }


if __name__ == "__main__":
    main()
