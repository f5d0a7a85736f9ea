"""Start the data side of a stock Megatron job, from nothing but its flags: `stock_job.py OUT FOLDER=FLAGS...`.

Run as a process of its own: the version of megatron-core is the one found first on the path. Newer ones say that they need
Python 3.12, and import triton where they begin; their datasets and tokenizers run without, below empty packages.

Source: NVIDIA/Megatron-LM core_v0.16.1 and core_v0.19.0: `megatron/training/arguments.py` and `config/training_config.py`
(flags and their defaults), `get_train_valid_test_num_samples` in `training.py`, `pretrain_gpt.py`.
"""

import argparse
import importlib.util
import json
import os
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np


def put_empty_packages() -> None:
    """Put `megatron` and `megatron.core` in place without running their `__init__`."""
    spec = importlib.util.find_spec("megatron")
    assert spec is not None
    [base] = list(spec.submodule_search_locations or ())[:1]
    for name, folder in (("megatron", base), ("megatron.core", f"{base}/core")):
        package = types.ModuleType(name)
        package.__path__ = [folder]
        sys.modules[name] = package
    top, core = sys.modules["megatron"], sys.modules["megatron.core"]
    top.core = core  # type: ignore[attr-defined]
    from megatron.core import parallel_state  # noqa: PLC0415 - below the empty package

    core.parallel_state = core.mpu = parallel_state  # type: ignore[attr-defined]
    sys.modules["megatron.core.mpu"] = parallel_state


def megatron() -> tuple[Any, str]:
    """Find `build_tokenizer` where this version has it."""
    put_empty_packages()
    try:
        from megatron.core.tokenizers.utils.build_tokenizer import build_tokenizer  # noqa: PLC0415
    except ImportError:
        from megatron.core.tokenizers.text.utils.build_tokenizer import build_tokenizer  # noqa: PLC0415
    from megatron.core.package_info import __version__  # noqa: PLC0415

    return build_tokenizer, str(__version__)


def parsed(words: list[str]) -> argparse.Namespace:
    """Parse flags as Megatron does, with its defaults of what a job does not pass; an unknown flag is an error."""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    for name in ("train-samples", "train-iters", "global-batch-size", "eval-interval"):
        parser.add_argument(f"--{name}", type=int)
    parser.add_argument("--eval-iters", type=int, default=100)
    parser.add_argument("--seq-length", type=int)
    parser.add_argument("--seed", type=int, default=1234)
    for name in ("train-data-path", "valid-data-path", "test-data-path"):
        parser.add_argument(f"--{name}", nargs="*")
    for name in ("data-cache-path", "tokenizer-type", "tokenizer-model", "vocab-file", "merge-file"):
        parser.add_argument(f"--{name}")
    parser.add_argument("--dataloader-fast-cache-load", action="store_true")
    parser.add_argument("--eod-mask-loss", action="store_true")
    args = parser.parse_args(words)
    later = {
        "chat_template": None,
        "trust_remote_code": False,
        "tokenizer_sentencepiece_legacy": False,
        "vocab_size": None,
        "rank": 0,
    }
    old = {
        "tokenizer_metadata": None,
        "tokenizer_special_tokens": None,
        "tokenizer_hf_use_fast": False,
        "tokenizer_hf_include_special_tokens": False,
    }
    new = {
        "metadata_path": None,
        "special_tokens": None,
        "tokenizer_hf_no_use_fast": False,
        "tokenizer_hf_no_include_special_tokens": False,
        "tokenizer_sentencepiece_ignore_extra_whitespaces": True,
        "pad_vocab_size": False,
    }
    for name, value in (later | old | new).items():
        setattr(args, name, value)
    return args


def sizes(args: argparse.Namespace) -> tuple[int, int, int]:
    """Count the samples a job asks for: training, validation, test."""
    batch = args.global_batch_size or 1  # micro batch × ranks, which are no flags of ours
    train_iters = args.train_iters or args.train_samples // batch
    train = args.train_samples or train_iters * batch
    points = train_iters // args.eval_interval + 1
    return train, points * args.eval_iters * batch, args.eval_iters * batch


def built(args: argparse.Namespace, tokenizer: Any) -> list[Any]:
    """Build the datasets as `pretrain_gpt.py` does."""
    from megatron.core.datasets.blended_megatron_dataset_builder import (  # noqa: PLC0415
        BlendedMegatronDatasetBuilder,
    )
    from megatron.core.datasets.gpt_dataset import GPTDataset, GPTDatasetConfig  # noqa: PLC0415

    paths = (args.train_data_path, args.valid_data_path, args.test_data_path)
    config = GPTDatasetConfig(
        random_seed=args.seed,
        sequence_length=args.seq_length,
        blend_per_split=[(path, None) if path else None for path in paths],
        path_to_cache=args.data_cache_path,
        fast_cache_load=args.dataloader_fast_cache_load,
        tokenizer=tokenizer,
        reset_position_ids=False,
        reset_attention_mask=False,
        eod_mask_loss=args.eod_mask_loss,
        create_attention_mask=False,
    )
    return list(BlendedMegatronDatasetBuilder(GPTDataset, sizes(args), lambda: True, config).build())


def started(build_tokenizer: Any, folder: Path, flags: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Start one job in the folder of the binaries; give what it says and what it reads."""
    os.chdir(folder)
    args = parsed(flags.read_text(encoding="utf-8").split())
    before = {path: path.stat().st_mtime_ns for path in Path(args.data_cache_path).iterdir()}
    tokenizer = build_tokenizer(args)
    read: dict[str, Any] = {}
    said: dict[str, Any] = {"identity": dict(tokenizer.unique_identifiers), "eod": tokenizer.eod}
    try:
        datasets = built(args, tokenizer)
    except Exception as error:  # noqa: BLE001 - some versions raise a bare one from the file that was not found
        return {**said, "error": type(error.__cause__ or error).__name__}, read
    for split, data in zip(("train", "valid", "test"), datasets, strict=True):
        said[split] = None if data is None else len(data)
        for name in ("tokens", "labels", "loss_mask") if data is not None else ():
            read[f"{split}/{name}"] = np.stack([data[k][name].numpy() for k in range(len(data))])
    after = {path: path.stat().st_mtime_ns for path in Path(args.data_cache_path).iterdir()}
    return {**said, "sizes": sizes(args), "untouched": before == after}, read


def main(out: Path, jobs: list[str]) -> None:
    """Start every job and write what they read."""
    build_tokenizer, version = megatron()
    said: dict[str, Any] = {"version": version, "jobs": {}}
    read: dict[str, Any] = {}
    for job in jobs:
        folder, flags = map(Path, job.split("="))
        said["jobs"][str(flags)], mine = started(build_tokenizer, folder, flags)
        read |= {f"{flags}:{name}": values for name, values in mine.items()}
    np.savez(out, **read)
    sys.stdout.write(json.dumps(said) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
