"""How long a training job trains and how often it evaluates, as the manifest says it."""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, model_validator

from kakehi.tokenizer.packed.stock_job import validation_samples

#: Readers number samples in uint32, whose last two numbers are no sample's.
_END: Final = (1 << 32) - 1
Count = Annotated[int, Field(ge=1, lt=_END)]


class Schedule(BaseModel):
    """How long a job trains and how often it evaluates, in Megatron's words.

    Args:
        train_samples: `--train-samples`; null for all there are, or where `train_iters` says it.
        train_iters: `--train-iters`: so many steps of a global batch.
        global_batch: rows of a step.
        eval_interval: steps between evaluations.
        eval_iters: steps of an evaluation; 0 for none.
        validation_samples: in place of the two above, where the job evaluates by other flags: what Megatron prints as
            its target size for validation.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    train_samples: Count | None = None
    train_iters: Count | None = None
    global_batch: Count | None = None
    eval_interval: Count | None = None
    eval_iters: Annotated[int, Field(ge=0)] | None = None
    validation_samples: Count | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Schedule:
        if self.train_samples and self.train_iters:
            raise ValueError("wanted one of train_samples, train_iters")
        if self.global_batch is None and (self.train_iters or self.eval_iters):
            raise ValueError("train_iters and eval_iters are steps: wanted global_batch, the rows of one")
        if bool(self.eval_iters) != bool(self.eval_interval):
            raise ValueError(
                "wanted eval_interval and eval_iters together, or eval_iters: 0 for no evaluation"
            )
        if self.validation_samples and self.eval_iters is not None:
            raise ValueError("wanted eval_interval and eval_iters, or validation_samples in their place")
        if self.train_samples and self.global_batch and self.train_samples < self.global_batch:
            raise ValueError("train_samples are less than one global_batch: wanted a step at least")
        for split, samples in self._least_asked().items():
            if samples >= _END:
                said = f"asks for {samples:,} samples for {split}, wanted less than {_END:,}"
                raise ValueError(f"{said}: readers number them in 32 bits")
        return self

    def _least_asked(self) -> dict[str, int]:
        """Count the samples of each split as far as the schedule alone tells: a step of training at least."""
        training = self.training(self.global_batch or 1)
        return {"training": training, "validation": self.validation(training)}

    @property
    def evaluates(self) -> bool | None:
        """Whether the job reads a validation prefix; None where the manifest does not say."""
        if self.validation_samples:
            return True
        return None if self.eval_iters is None else self.eval_iters > 0

    def training(self, available: int) -> int:
        """Count the training samples the job asks for, of so many that there are."""
        if self.train_iters:
            return self.train_iters * (self.global_batch or 1)
        return self.train_samples or available

    def most_training(self, available: int) -> str:
        """Say in a schedule's own key how much training so many samples give."""
        if self.train_iters:
            return f"train_iters: {available // (self.global_batch or 1)} is what these give"
        return f"train_samples: {available} is all of them"

    def validation(self, training: int) -> int:
        """Count the validation samples the job asks for while it trains on so many; 0 for none."""
        if not (self.eval_interval and self.eval_iters and self.global_batch):
            return self.validation_samples or 0
        steps = training // self.global_batch
        return validation_samples(steps, self.eval_interval, self.eval_iters, self.global_batch)

    def training_flags(self, training: int) -> list[str]:
        """Write how long to train as flags of Megatron and of its forks."""
        batch = [f"--global-batch-size {self.global_batch}"] if self.global_batch else []
        steps = f"--train-iters {self.train_iters}" if self.train_iters else f"--train-samples {training}"
        return [steps, *batch]

    def evaluation_flags(self) -> list[str]:
        """Write how often to evaluate as flags; none where the job's own flags say it."""
        if self.validation_samples:
            return []
        # Megatron divides by the interval even where it never evaluates, and newer ones have no default for it.
        return [f"--eval-interval {self.eval_interval or 1000}", f"--eval-iters {self.eval_iters or 0}"]

    def neox_samples(self, training: int) -> int:
        """Count the samples that GPT-NeoX asks for in place of so many: it knows whole steps alone."""
        return training - training % (self.global_batch or 1)

    def neox_config(self, training: int, *, evaluates: bool) -> list[str]:
        """Write how long to train and how often to evaluate as GPT-NeoX's keys; none that the job's own say."""
        batch = self.global_batch
        steps = [f"train_batch_size: {batch}", f"train_iters: {training // batch}"] if batch else []
        if not evaluates:
            return [*steps, "eval_iters: 0"]
        told = {"eval_interval": self.eval_interval, "eval_iters": self.eval_iters}
        return [*steps, *(f"{key}: {value}" for key, value in told.items() if value)]
