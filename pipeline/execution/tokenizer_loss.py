"""Refuse to go on where a tokenizer loses text: before the corpus is encoded by a sample, and after it by all tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import pyarrow as pa

from kakehi.pipeline.errors import DataError
from kakehi.pipeline.manifest.model import Manifest, StepSpec
from kakehi.pipeline.planning.planner import Step
from kakehi.pipeline.planning.resolve import receipts_of
from kakehi.pipeline.stages.encode import load_encoder
from kakehi.pipeline.storage.store import Store, merge

#: One in so many tokens may be unknown, and one in so many sampled documents may come back otherwise.
_ONE_IN: Final = 100


def check_loss(step: Step, steps: list[Step], manifest: Manifest, store: Store) -> list[str]:
    """Refuse a tokenizer that loses text, once it is made and once all is encoded; return what a user has to know of it.

    Args:
        step: that is done.
        steps: the plan.
        manifest: whose plan it is.
        store: the work folder.

    Raises:
        DataError: over 1 % of tokens are unknown, or of sampled documents come back otherwise, and no `accept_loss` says
            that it may be so.
    """
    if step.stage.writes == "tokenizer":
        return _check_sample(step, manifest, store)
    alike = [other for other in steps if other.stage.writes == "tokens" and other.name == step.name]
    return _check_tokens(alike, manifest, store) if alike and step is alike[-1] else []


def _check_sample(step: Step, manifest: Manifest, store: Store) -> list[str]:
    counts = merge(receipt.counts for receipt in receipts_of(step, store))
    found = {name.removeprefix("evaluation/"): count for name, count in counts.items()}
    said = [*_lost(found), *_unknown(found, "tokens of the sample")]
    shares = (("round_trip_failures", "documents"), ("unknown_tokens", "tokens"))
    is_much = any(_is_much(found, part, whole) for part, whole in shares)
    encoding = [
        spec for spec in manifest.steps if spec.stage.writes == "tokens" and _reads(manifest, spec, step)
    ]
    lost = _told(step.name, said, encoding, is_much=is_much)
    folder = store.folder(step.name, step.address)
    return [
        *lost,
        *_normalised(step.name, found),
        *_export(step, store),
        *_marks(folder, step, manifest, encoding),
    ]


def _check_tokens(steps: list[Step], manifest: Manifest, store: Store) -> list[str]:
    """Look at all sources together, once the last of them is encoded."""
    receipts = [receipts_of(step, store) for step in steps]
    if any(len(found) < len(step.shards) for found, step in zip(receipts, steps, strict=True)):
        return []
    found = merge(receipt.counts for part in receipts for receipt in part)
    encoding = [spec for spec in manifest.steps if spec.name == steps[0].name]
    is_much = _is_much(found, "unknown_tokens", "tokens")
    return _told(steps[0].name, [*_unknown(found, "tokens")], encoding, is_much=is_much)


def _reads(manifest: Manifest, spec: StepSpec, tokenizer: Step) -> bool:
    return any(other.name == tokenizer.name for other in manifest.upstream(spec)["tokenizer"])


def _told(name: str, said: list[str], encoding: list[StepSpec], *, is_much: bool) -> list[str]:
    refusing = [spec for spec in encoding if not spec.parameters["accept_loss"]]
    if is_much and refusing:
        raise DataError(
            f"{name}: the tokenizer loses text: {'; '.join(said)}",
            hint="take one with byte fallback that leaves the text as it is, or say that it may be so: "
            f"accept_loss: true in {refusing[0].name}",
        )
    return [f"{name}: the tokenizer loses text: {line}" for line in said]


def _lost(found: Mapping[str, int]) -> Iterator[str]:
    if lost := found.get("round_trip_failures", 0):
        yield f"{lost:,} of {found['documents']:,} sampled documents do not come back"


def _normalised(name: str, found: Mapping[str, int]) -> Iterator[str]:
    if changed := found.get("nfkc_differences", 0):
        yield f"{name}: {changed:,} of {found['documents']:,} sampled documents come back normalised (NFKC)"


def _unknown(found: Mapping[str, int], what: str) -> Iterator[str]:
    if unknown := found.get("unknown_tokens", 0):
        yield f"{unknown:,} of {found['tokens']:,} {what} are unknown ({100 * unknown / found['tokens']:.3g} %)"


def _is_much(found: Mapping[str, int], part: str, whole: str) -> bool:
    return _ONE_IN * found.get(part, 0) > found.get(whole, 0)


def _export(step: Step, store: Store) -> Iterator[str]:
    """Say what keeps a `tokenizer.json` from giving the ids that are packed."""
    path = store.folder(step.name, step.address) / "evaluation.json"
    found = json.loads(path.read_bytes()).get("huggingface", {}) if path.exists() else {}
    if found.get("refused"):
        yield f"{step.name}: no tokenizer.json for Hugging Face: {found['refused']}"
    elif found.get("differing"):
        yield (
            f"{step.name}: tokenizer.json gives other ids than encode in {found['differing']:,} of "
            f"{found['documents']:,} sampled documents"
        )


def _marks(folder: Path, step: Step, manifest: Manifest, encoding: list[StepSpec]) -> Iterator[str]:
    """Say which marks of an existing tokenizer its own library makes of a text that spells them."""
    if not any(spec.name == step.name and spec.parameters["existing"] for spec in manifest.steps):
        return
    encoder = load_encoder(folder)
    for spec in encoding:
        for name in ("eod", "bos"):
            mark = spec.parameters[name]
            if mark and encoder.piece_id(mark) in encoder.as_library(pa.array([mark]))[0]:
                yield (
                    f"{spec.name}: {name} {mark!r} is a piece that texts become outside encode: "
                    "in transformers and SentencePiece a text that spells it has its id"
                )
