"""Gather what the page says: receipts first, then one pass over the rows, then the few documents it shows."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from importlib.metadata import version
from typing import Any

from kakehi.filters.normalisation.rules import RULES
from kakehi.filters.signals import Signal, find_family
from kakehi.pipeline.engines.engine import Engine, Failure
from kakehi.pipeline.stages.dedupe import alarms
from kakehi.pipeline.stages.inputs import Inputs, StepSummary
from kakehi.pipeline.stages.measure import FamilySpec
from kakehi.pipeline.stages.repeated_ids import (
    are_ids_counted,
    count_repeated_ids,
    describe_repeated_ids,
    warn_of_repeated_ids,
)
from kakehi.pipeline.stages.report.examples import read_pairs, read_sample, say_number
from kakehi.pipeline.stages.report.funnel import funnel
from kakehi.pipeline.stages.report.scan import GATE, KEPT, Scan, merge, scan
from kakehi.pipeline.stages.report.summary import (
    CharsetLine,
    Duplicates,
    Gate,
    NormaliseLine,
    RuleLine,
    SampleGroup,
    SignalLine,
    SourceLine,
    Summary,
    TokenizerLine,
)
from kakehi.pipeline.stages.screen import NUMBERS, Threshold
from kakehi.pipeline.storage.store import merge as merge_counts


def collect(inputs: Inputs, engine: Engine, *, samples: int, title: str | None) -> Summary:
    """Gather the page's content.

    Args:
        inputs: documents with whatever signals, verdicts and artifacts there are, and the steps before.
        engine: runs the pass over the rows, a task a shard.
        samples: documents to show of each verdict.
        title: of the page, or None for the corpus's name.
    """
    found = merge(_scans(inputs, engine, samples), samples=samples)
    rules = tuple(_rules(inputs, found))
    return Summary(
        title=title or inputs.corpus,
        corpus=inputs.corpus,
        version=version("kakehi"),
        sources=tuple(_sources(inputs)),
        repeated_ids=tuple(_repeated_ids(inputs, engine)),
        funnel=tuple(funnel(inputs.steps)),
        rules=rules,
        gate=_gate(inputs, found),
        signals=tuple(_signals(inputs, found)),
        charsets=tuple(_charsets(found)),
        normalised=tuple(_normalised(inputs)),
        duplicates=_duplicates(inputs, samples),
        alarms=tuple(alarms.raised_alarms(inputs.steps)),
        tokenizers=tuple(_tokenizers(inputs)),
        samples=tuple(_samples(inputs, found, rules)),
    )


def _scans(inputs: Inputs, engine: Engine, samples: int) -> Iterator[Scan]:
    for _, result in engine.map(partial(scan, samples=samples), inputs.shards):
        if isinstance(result, Failure):
            raise result.error
        yield result


def _sources(inputs: Inputs) -> Iterator[SourceLine]:
    for step in inputs.steps:
        if step.stage.shape == "source":
            counts = _counts(step)
            yield SourceLine(
                name=str(step.source),
                stage=step.stage.name,
                files=sum(len(receipt.inputs) for receipt in step.receipts),
                shards=len(step.receipts),
                records=counts.get("records", 0),
                documents=counts.get("documents", 0),
                characters=counts.get("characters", 0),
            )


def _repeated_ids(inputs: Inputs, engine: Engine) -> list[str]:
    """Warn of ids that repeat; they are counted here where no step before did."""
    if are_ids_counted(inputs.steps):
        return warn_of_repeated_ids(inputs.steps)
    return describe_repeated_ids(count_repeated_ids(inputs, "report", engine))


def _rules(inputs: Inputs, found: Scan) -> Iterator[RuleLine]:
    """List every rule in the order it speaks: those that were asked for, and those that objected unasked."""
    sources = inputs.sources
    objected, alone = _by_rule(inputs, "objection/"), _by_rule(inputs, "alone/")
    plain = Counter({(verdict, source): n for (source, verdict), n in found.verdicts.items()})
    screened = _asked(inputs)
    names = dict.fromkeys([*([GATE] if _total(objected, GATE) else []), *screened])
    names |= dict.fromkeys(sorted({name for name, _ in objected} - names.keys()))
    for name in names:
        yield RuleLine(
            name=name,
            bound="enough kana before extraction" if name == GATE else screened.get(name, ""),
            objected=_total(objected, name),
            alone=_total(alone, name),
            by_source=tuple(objected[name, source] for source in sources),
        )
    for name in _others(inputs, names):
        yield RuleLine(
            name=name,
            bound=_keeping(inputs).get(name, ""),
            objected=_total(plain, name),
            alone=None,
            by_source=tuple(plain[name, source] for source in sources),
        )


def _by_rule(inputs: Inputs, prefix: str) -> Counter[tuple[str, str]]:
    """Add up the counts of a prefix by (rule, source)."""
    total: Counter[tuple[str, str]] = Counter()
    for step in inputs.steps:
        for key, value in _counts(step).items():
            if key.startswith(prefix):
                total[key.removeprefix(prefix), str(step.source)] += value
    return total


def _asked(inputs: Inputs) -> dict[str, str]:
    """Name the rules of every screen step, with what they ask for; sources may ask for different things."""
    wanted: dict[str, dict[str, None]] = {}
    for rule in _thresholds(inputs.steps):
        signal = f"screen:{rule.signal}"
        for name, bound in rule.bounds().items():
            said = ", ".join(bound) if isinstance(bound, list) else say_number(bound)
            wanted.setdefault(f"{signal}.{name}", {})[f"{_SAID[name]} {said}"] = None
        if rule.missing == "drop":
            wanted.setdefault(f"{signal}.missing", {})["measurable"] = None
    return {name: " / ".join(bounds) for name, bounds in wanted.items()}


_SAID = {
    "min": "at least",
    "max": "at most",
    "over": "over",
    "under": "under",
    "in": "one of",
    "not_in": "none of",
}


def _keeping(inputs: Inputs) -> dict[str, str]:
    bound = _similarity(inputs)
    near = "" if bound is None else f"similarity under {say_number(bound)}"
    earlier = {
        f"dedupe:earlier:{run}": near
        for step in inputs.steps
        for run in step.parameters.get("against", ())
        if step.stage.name == "compare"
    }
    return {"dedupe:exact": "a text of its own", "dedupe:near": near, **earlier}


def _others(inputs: Inputs, known: Mapping[str, None]) -> list[str]:
    """Name the verdicts of steps that count no objections."""
    keys = [key for step in inputs.steps if step.stage.writes == "verdict" for key in _counts(step)]
    names = [key.removeprefix("verdict/").rpartition("/")[0] for key in keys if key.startswith("verdict/")]
    return sorted({name for name in names if name not in known})


def _gate(inputs: Inputs, found: Scan) -> Gate | None:
    total = merge_counts(_counts(step) for step in inputs.steps if step.stage.shape == "source")
    rejected, sampled = total.get("reject/language", 0), total.get("gated", 0)
    if not rejected and not sampled:
        return None
    return Gate(rejected=rejected, sampled=sampled, would_stay=found.gate_alone)


def _signals(inputs: Inputs, found: Scan) -> Iterator[SignalLine]:
    measures = [step for step in inputs.steps if step.stage.name == "measure"]
    known = dict(signals_of(plain for step in measures for plain in step.parameters["families"]))
    bounds: dict[str, dict[tuple[str, float], None]] = {}
    for rule in _thresholds(inputs.steps):
        for name, bound in rule.bounds().items():
            if name in NUMBERS:
                bounds.setdefault(rule.signal, {})[name, float(bound)] = None
    for name in found.kept:
        yield SignalLine(
            name=name,
            unit=known[name].unit if name in known else "",
            definition=known[name].source if name in known else "",
            kept=found.kept[name],
            dropped=found.dropped[name],
            missing=found.missing[name],
            bounds=tuple(bounds.get(name, ())),
        )


def signals_of(families: Iterable[Mapping[str, Any]]) -> Iterator[tuple[str, Signal]]:
    """Yield the signals of families, as `measure` has them in its parameters, by their column."""
    for spec in (FamilySpec(**plain) for plain in families):
        for signal in find_family(spec.family).signals:
            yield spec.column(signal.name), signal


def _charsets(found: Scan) -> Iterator[CharsetLine]:
    for charset, documents in sorted(found.charsets.items(), key=lambda item: (-item[1], item[0])):
        yield CharsetLine(
            codec=charset.codec,
            codec_from=charset.codec_from,
            documents=documents,
            replaced_documents=found.replaced_documents[charset],
            replaced=found.replaced[charset],
        )


def _normalised(inputs: Inputs) -> Iterator[NormaliseLine]:
    """List the rules that fired, in the order of their table."""
    fired = _by_rule(inputs, "normalise/")
    for rule in RULES:
        by_source = tuple(fired[rule.name, source] for source in inputs.sources)
        if any(by_source):
            yield NormaliseLine(rule=rule.name, fired=sum(by_source), by_source=by_source)


def _duplicates(inputs: Inputs, samples: int) -> Duplicates | None:
    exact = _of_stage(inputs, "exact")
    pair, keep = _of_stage(inputs, "pair"), _of_stage(inputs, "keep")
    if not exact and not pair:
        return None
    copies = exact.get("rows", 0) - exact.get("groups", 0)
    bound = _similarity(inputs)
    pairs = read_pairs(inputs, bound or 0.0, examples=samples) if inputs.artifacts.get("pairs") else None
    return Duplicates(
        exact_groups=exact.get("rows_in_groups_of_several", 0) - copies,
        exact_copies=copies,
        candidates=pair.get("candidates", 0),
        near_pairs=pairs.near if pairs else 0,
        buckets_cut=pair.get("buckets_cut", 0),
        clusters_lost=keep.get("clusters_lost", 0),
        clusters_lost_documents=keep.get("clusters_lost_documents", 0),
        bound=bound,
        similarities=pairs.similarities if pairs else (),
        examples=pairs.examples if pairs else (),
    )


def _tokenizers(inputs: Inputs) -> Iterator[TokenizerLine]:
    """Take counts from the receipts of every tokenizer, and the pieces from the evaluation that is at hand."""
    folder = inputs.artifacts.get("tokenizer")
    evaluation = json.loads((folder / "evaluation.json").read_bytes()) if folder else {}
    for step in inputs.steps:
        prefix = "evaluation/"
        counts = {k.removeprefix(prefix): n for k, n in _counts(step).items() if k.startswith(prefix)}
        if step.stage.writes == "tokenizer" and counts:
            same = all(evaluation.get(name) == value for name, value in counts.items())
            pieces = tuple(evaluation["longest_pieces"]) if same else ()
            yield TokenizerLine(name=step.name, longest_pieces=pieces, **counts)


def _samples(inputs: Inputs, found: Scan, rules: Sequence[RuleLine]) -> Iterator[SampleGroup]:
    bounds = {rule.name: rule.bound for rule in rules}
    for verdict in [name for name in dict.fromkeys([KEPT, *bounds, *found.picks]) if name in found.picks]:
        yield SampleGroup(
            verdict=verdict,
            documents=sum(n for (_, name), n in found.verdicts.items() if name == verdict),
            samples=tuple(
                read_sample(inputs, place, verdict, bounds) for place in found.picks.get(verdict, ())
            ),
        )


def _thresholds(steps: Sequence[StepSummary]) -> Iterator[Threshold]:
    for step in steps:
        if step.stage.name == "screen":
            yield from (Threshold(**rule) for rule in step.parameters["rules"])


def _similarity(inputs: Inputs) -> float | None:
    found = [float(step.parameters["similarity"]) for step in inputs.steps if step.stage.name == "keep"]
    return found[-1] if found else None


def _of_stage(inputs: Inputs, name: str) -> dict[str, int]:
    return merge_counts(_counts(step) for step in inputs.steps if step.stage.name == name)


def _counts(step: StepSummary) -> dict[str, int]:
    return merge_counts(receipt.counts for receipt in step.receipts)


def _total(counts: Counter[tuple[str, str]], name: str) -> int:
    return sum(value for (rule, _), value in counts.items() if rule == name)
