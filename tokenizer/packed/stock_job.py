"""What a stock Megatron job asks a cache for, worked out from its flags alone.

Source: `build_tokenizer` and `MegatronTokenizerText.unique_identifiers` of megatron-core 0.16.1, 0.17.1, 0.18.2 and 0.19.2;
`get_train_valid_test_num_samples` in `megatron/training/training.py` of NVIDIA/Megatron-LM, core_v0.16.1 to core_v0.19.0.
"""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple, get_args

from .maps import Split

Core = Literal["0.16", "0.17", "0.18", "0.19"]
TokenizerType = Literal[
    "SentencePieceTokenizer", "GPTSentencePieceTokenizer", "Llama2Tokenizer", "HuggingFaceTokenizer"
]

CORES: Final[tuple[Core, ...]] = get_args(Core)

_CLASS: Final = "megatron.core.tokenizers.text.models.default_tokenizer.DefaultTokenizerText"
_CHAT: Final = {"chat_template": "None"}
_SENTENCEPIECE: Final = {"legacy": "False", "special_tokens": "None"}
_BLANKS: Final = {"ignore_extra_whitespaces": "True"}


def _hugging_face(switch: str) -> dict[str, str]:
    return {
        "vocab_file": "None",
        "merges_file": "None",
        "additional_special_tokens": "[]",
        "use_fast": switch,
        "trust_remote_code": "False",
        "include_special_tokens": switch,
    }


#: What the builder of each version hands its tokenizer where a job gives no flag for it: for SentencePiece, Hugging Face.
_ARGUMENTS: Final[Mapping[Core, tuple[dict[str, str], dict[str, str]]]] = {
    "0.16": (_SENTENCEPIECE, _hugging_face("False")),
    "0.17": (_SENTENCEPIECE, _hugging_face("True")),
    "0.18": (_CHAT | _BLANKS | _SENTENCEPIECE, _CHAT | _hugging_face("True")),
    "0.19": (_CHAT | _BLANKS | _SENTENCEPIECE, _CHAT | _hugging_face("True")),
}


def unique_identifiers(kind: TokenizerType, path: str, core: Core) -> dict[str, str]:
    """Give a tokenizer's `unique_identifiers` as a job has them that passes its type and path alone.

    Args:
        kind: `--tokenizer-type`.
        path: `--tokenizer-model`, as it is spelt.
        core: version of megatron-core.
    """
    of_pieces, of_hugging_face = _ARGUMENTS[core]
    more = of_hugging_face if kind == "HuggingFaceTokenizer" else of_pieces
    return {"class": _CLASS, "tokenizer_path": path, **more}


def cores_of(identity: Mapping[str, object]) -> list[Core]:
    """List the versions whose builder names a tokenizer so, whatever the flags for it; none: no stock job asks for this."""
    given = list(identity)
    return [
        core
        for core, kinds in _ARGUMENTS.items()
        if any(given == ["class", "tokenizer_path", *more] for more in kinds) and identity["class"] == _CLASS
    ]


def validation_samples(train_iters: int, eval_interval: int, eval_iters: int, global_batch: int) -> int:
    """Count the validation samples that Megatron asks for at its start: one evaluation more than it has intervals."""
    return (train_iters // eval_interval + 1) * eval_iters * global_batch


class Request(NamedTuple):
    """What a job asks of one prefix.

    Args:
        prefix: as its flags spell it.
        split: `train` or `valid`.
        samples: None where the flags alone do not say.
        sequence_tokens: `--seq-length`.
        seed: `--seed`.
    """

    prefix: str
    split: Split
    samples: int | None
    sequence_tokens: int
    seed: int


def read_flags(text: str) -> dict[str, str]:
    """Read flags, one a line, to their values; '' for one without a value."""
    return {
        name: value.strip()
        for name, _, value in (line.strip().partition(" ") for line in text.splitlines())
        if name
    }


def requests(flags: Mapping[str, str]) -> list[Request]:
    """List what a job with these flags asks for.

    Raises:
        KeyError: a flag is missing that `index` always writes.
        ValueError: a flag that should be a number is none.
    """
    size, seed = int(flags["--seq-length"]), int(flags["--seed"])
    batch = int(flags.get("--global-batch-size", 0))
    iters = int(flags.get("--train-iters", 0))
    samples = int(flags.get("--train-samples", iters * batch))
    found = [Request(flags["--train-data-path"], "train", samples, size, seed)]
    if "--valid-data-path" in flags:
        asked = None
        if "--eval-iters" in flags:
            every, each = int(flags["--eval-interval"]), int(flags["--eval-iters"])
            asked = validation_samples(iters or samples // batch, every, each, batch)
        found.append(Request(flags["--valid-data-path"], "valid", asked, size, seed))
    return found
