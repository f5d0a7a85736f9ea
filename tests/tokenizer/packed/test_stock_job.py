"""What a stock job asks for follows from its flags; tests/interop holds it to Megatron itself."""

from typing import get_args

import pytest

from kakehi.tokenizer.packed.stock_job import (
    CORES,
    Request,
    TokenizerType,
    cores_of,
    read_flags,
    requests,
    unique_identifiers,
    validation_samples,
)

FLAGS = """\
--train-data-path a
--valid-data-path b
--dataloader-fast-cache-load
--seq-length 16
--seed 7
--train-iters 24
--global-batch-size 8
--eval-interval 12
--eval-iters 2
"""


def test_identities_are_known_again_and_those_of_no_builder_are_not() -> None:
    """Keys and their order tell the versions; what `from_pretrained` gives without a job's arguments is none."""
    for kind in get_args(TokenizerType):
        for core in CORES:
            found = cores_of(unique_identifiers(kind, "t.model", core))
            assert core in found
            assert set(found) < set(CORES)
    given = unique_identifiers("Llama2Tokenizer", "t.model", "0.19")
    assert list(given)[2:] == ["chat_template", "ignore_extra_whitespaces", "legacy", "special_tokens"]
    assert cores_of(given | {"special_tokens": "['<pad>']"}) == ["0.18", "0.19"]
    assert cores_of({"class": given["class"], "tokenizer_path": "t.model"}) == []
    assert cores_of(dict(reversed(given.items()))) == []
    assert cores_of(given | {"class": "x.Y"}) == []
    switches = [unique_identifiers("HuggingFaceTokenizer", "t", core)["use_fast"] for core in CORES]
    assert switches == ["False", "True", "True", "True"]


def test_an_evaluation_more_than_intervals_is_asked_for() -> None:
    """As Megatron counts, where the last step is one of an evaluation or not."""
    assert validation_samples(24, 12, 2, 8) == 48
    assert validation_samples(500_000, 1000, 10, 8) == 40_080  # a log in bigcode-project/Megatron-LM #86
    assert validation_samples(23, 12, 2, 8) == 32
    assert validation_samples(23, 1000, 0, 8) == 0


@pytest.mark.parametrize(
    ("old", "new", "train", "valid"),
    [
        ("", "", 192, 48),
        ("--train-iters 24", "--train-samples 203", 203, 3 * 2 * 8),
        ("--eval-interval 12\n--eval-iters 2\n", "", 192, None),
        ("--valid-data-path b\n", "", 192, 0),
    ],
)
def test_flags_say_what_a_job_asks_for(old: str, new: str, train: int, valid: int | None) -> None:
    """Samples or steps; evaluation by the flags, by others that are not here, or none."""
    found = requests(read_flags(FLAGS.replace(old, new) if old else FLAGS))
    wanted = [Request("a", "train", train, 16, 7), Request("b", "valid", valid, 16, 7)]
    assert found == wanted[: 1 if valid == 0 else 2]
