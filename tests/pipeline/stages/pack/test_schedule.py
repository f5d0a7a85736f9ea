"""The schedule of a job: what it asks for, and what it can't."""

import pytest
from pydantic import ValidationError

from kakehi.pipeline.stages.pack.schedule import Schedule


def test_no_schedule_asks_for_more_than_readers_number() -> None:
    """Each number may be right by itself; their product is what an array would have."""
    evaluation = {"eval_interval": 1, "eval_iters": 10**8}
    for asked, split in (
        ({"train_iters": 30, "global_batch": 14, **evaluation}, "43,400,000,000 samples for validation"),
        ({"global_batch": 2016, **evaluation}, "samples for validation"),
        ({"train_iters": 2**31, "global_batch": 2}, "4,294,967,296 samples for training"),
    ):
        with pytest.raises(ValidationError, match=rf"{split}, wanted less than 4,294,967,295"):
            Schedule(**asked)
    fits = Schedule(train_iters=2**31 - 1, global_batch=2)
    assert fits.training(5) == 2**32 - 2
    assert fits.most_training(101) == "train_iters: 50 is what these give"


def test_gpt_neox_reads_whole_steps() -> None:
    """All samples where no batch is said; and it says what the job's own configuration can't know."""
    assert Schedule().neox_samples(29) == 29
    assert Schedule().neox_config(29, evaluates=False) == ["eval_iters: 0"]
    asked = Schedule(global_batch=8, eval_interval=3, eval_iters=2)
    assert asked.neox_samples(29) == 24
    wanted = ["train_batch_size: 8", "train_iters: 3", "eval_interval: 3", "eval_iters: 2"]
    assert asked.neox_config(29, evaluates=True) == wanted
    assert Schedule(validation_samples=9).neox_config(29, evaluates=True) == []
