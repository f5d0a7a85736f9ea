"""What the page says, as plain values: nothing here depends on time, machine or paths."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt
from typing import Final

from kakehi.pipeline.stages.report.funnel import FunnelRow
from kakehi.pipeline.stages.report.histogram import Bins
from kakehi.tokenizer.evaluation import Evaluation

#: Units of values from 0 to 1.
SHARES: Final = frozenset({"share", "probability"})

#: Standard deviations that hold 95 % of a normal distribution.
_Z: Final = 1.959964


@dataclass(frozen=True, kw_only=True)
class SourceLine:
    """One source: its name and what was read of it; `files` is 0 for a dataset."""

    name: str
    stage: str
    files: int
    shards: int
    records: int
    documents: int
    characters: int


@dataclass(frozen=True, kw_only=True)
class RuleLine:
    """One rule and the documents it objected to.

    Args:
        name: as verdicts have it.
        bound: what the rule asks for, in words; empty where it has no bound.
        objected: documents.
        alone: documents that no other rule of its step objected to, or None where a step counts no objections.
        by_source: documents it objected to, in the order of the sources; all None where a step does not say.
    """

    name: str
    bound: str
    objected: int
    alone: int | None
    by_source: tuple[int | None, ...]


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What the language gate rejected, what it let through as a sample, and how many of these only it objected to."""

    rejected: int
    sampled: int
    would_stay: int

    @property
    def lost(self) -> tuple[int, int, int]:
        """Estimate how many documents the gate cost, with the ends of the 95 % interval.

        Source: Wilson 1927, score interval; it says something even of four documents of which none would stay.
        """
        share, weight = self.would_stay / self.sampled, _Z**2 / self.sampled
        middle = (share + weight / 2) / (1 + weight)
        reach = _Z / (1 + weight) * sqrt(share * (1 - share) / self.sampled + weight / (4 * self.sampled))
        low, high = max(middle - reach, 0.0), min(middle + reach, 1.0)
        return round(share * self.rejected), round(low * self.rejected), round(high * self.rejected)


@dataclass(frozen=True, kw_only=True)
class SignalLine:
    """One numeric signal over all documents.

    Args:
        name: its column.
        unit: what it counts.
        definition: in words.
        kept: its values in documents that were kept.
        dropped: its values in the others.
        missing: documents where it was not measurable.
        bounds: thresholds on it, as (`min`, `max`, `over` or `under`, value).
    """

    name: str
    unit: str
    definition: str
    kept: Bins
    dropped: Bins
    missing: int
    bounds: tuple[tuple[str, float], ...]


@dataclass(frozen=True, kw_only=True)
class CharsetLine:
    """Documents of one charset, how it was decided, and what decoding had to replace."""

    codec: str
    codec_from: str
    documents: int
    replaced_documents: int
    replaced: int


@dataclass(frozen=True, kw_only=True)
class NormaliseLine:
    """How often a rule of normalisation fired, and in each source, in the order of the sources."""

    rule: str
    fired: int
    by_source: tuple[int, ...]


@dataclass(frozen=True, kw_only=True)
class Named:
    """A document by name."""

    id: str
    url: str
    title: str


@dataclass(frozen=True, kw_only=True)
class PairLine:
    """Two documents and the similarity measured between them."""

    similarity: float
    same: bool
    a: Named
    b: Named


@dataclass(frozen=True, kw_only=True)
class Duplicates:
    """What was found of repeated documents.

    Args:
        exact_groups: groups of several equal texts.
        exact_copies: documents in them beyond the first of each.
        candidates: pairs that share a band key.
        near_pairs: those whose measured similarity reaches the bound.
        buckets_cut: buckets too large for all their pairs.
        clusters_lost: clusters of which nothing was kept, since something else objects to every document.
        clusters_lost_documents: these documents.
        bound: the similarity, or None where nothing was kept by it.
        similarities: of the candidates, counted in percent: int[101].
        examples: the pairs nearest to the bound, on either side.
    """

    exact_groups: int
    exact_copies: int
    candidates: int
    near_pairs: int
    buckets_cut: int
    clusters_lost: int
    clusters_lost_documents: int
    bound: float | None
    similarities: tuple[int, ...]
    examples: tuple[PairLine, ...]


@dataclass(frozen=True, kw_only=True)
class TokenizerLine(Evaluation):
    """How well one tokenizer fits the sample it was evaluated on."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One document as a person would look at it."""

    document: Named
    source: str
    characters: int
    beginning: str
    decided: str


@dataclass(frozen=True, kw_only=True)
class SampleGroup:
    """Some documents of one verdict, `kept` standing for none."""

    verdict: str
    documents: int
    samples: tuple[Sample, ...]


@dataclass(frozen=True, kw_only=True)
class Summary:
    """All that the page says."""

    title: str
    corpus: str
    version: str
    sources: tuple[SourceLine, ...]
    repeated_ids: tuple[str, ...]
    funnel: tuple[FunnelRow, ...]
    rules: tuple[RuleLine, ...]
    gate: Gate | None
    signals: tuple[SignalLine, ...]
    charsets: tuple[CharsetLine, ...]
    normalised: tuple[NormaliseLine, ...]
    duplicates: Duplicates | None
    alarms: tuple[str, ...]
    tokenizers: tuple[TokenizerLine, ...]
    samples: tuple[SampleGroup, ...]
