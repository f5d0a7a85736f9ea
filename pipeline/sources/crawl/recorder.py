"""Take down what came of a visit, as one change: records written, links found, decisions, counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from kakehi.pipeline.sources.crawl.frontier import Consent, Frontier, Known, Visit
from kakehi.pipeline.sources.crawl.policy import STORED, Decision
from kakehi.pipeline.sources.crawl.responses import NoResponse, Response
from kakehi.pipeline.sources.crawl.site_rules import SiteRules
from kakehi.pipeline.sources.formats.warc_writer import Exchange, Original, WarcWriter, now_as_text

REVISIT = "revisit"


class Recorder:
    """The frontier and the WARC files of a crawl, written together.

    Args:
        frontier: what is known.
        warcs: where answers go.
    """

    def __init__(self, frontier: Frontier, warcs: WarcWriter) -> None:
        self._frontier = frontier
        self._warcs = warcs
        self.counts: Counter[str] = Counter(frontier.counts())

    def refused(self, visit: Visit, rules: SiteRules, before: list[Consent]) -> None:
        """Note that it is not asked for, and by whose word."""
        last = next(consent for consent in before if not consent.allowed)
        outcome = rules.unreachable or last.source.replace(".", "_")
        with self._frontier.change():
            self._frontier.record(before)
            self._frontier.finish(visit, outcome)

    def unanswered(self, visit: Visit, answer: NoResponse, before: list[Consent], *, again: bool) -> None:
        """Note that no answer came; it waits once more, or that was the last time."""
        with self._frontier.change():
            self._count(bytes=answer.received, requests=1, retries=again)
            if again:
                self._frontier.again(visit)
            else:
                self._frontier.record(before)
                self._frontier.finish(visit, answer.reason, fetched=now_as_text())

    def answered(
        self,
        visit: Visit,
        answer: Response,
        decision: Decision,
        known: Known | None,
        before: list[Consent],
        time: str,
    ) -> list[str]:
        """Write an answer and all that it changes; give the hosts that have got something new."""
        with self._frontier.change():
            self._count(bytes=len(answer.body), requests=1, retries=decision.again)
            if decision.again:
                self._frontier.again(visit)
                return []
            self._frontier.record([*before, *decision.consents])
            fields: dict[str, object] = {"status": answer.status, "fetched": time, "bytes": len(answer.body)}
            if decision.store:
                fields |= self._written(visit, answer, decision, known, time)
            self._frontier.finish(visit, decision.outcome, **fields)
            self._count(records=decision.outcome in {STORED, REVISIT})
            self._count(**{f"links/{why}": n for why, n in decision.refused.items()})
            return self._frontier.add(decision.found)

    def _written(
        self, visit: Visit, answer: Response, decision: Decision, known: Known | None, time: str
    ) -> dict[str, object]:
        """Write the records of an answer; say where they lie, and what a later crawl has to know."""
        exchange = Exchange(
            url=visit.url,
            fetched=time,
            request=answer.request,
            head=answer.head,
            body=answer.body,
            ip=answer.ip,
            notes=_notes(visit, answer, decision),
        )
        digest, original = exchange.digest, time
        if known and (answer.status == 304 or (decision.outcome == STORED and known.digest == digest)):
            digest, original, decision.outcome = known.digest, known.original, REVISIT
            first = Original(url=visit.url, fetched=original, digest=digest)
            exchange = replace(exchange, original=first)
        record, place = self._warcs.write(exchange)
        name, size = self._warcs.end
        self._frontier.note(warc=name, size=size)
        same = known if decision.outcome == REVISIT else None
        return {
            "record": record,
            "warc": place.file,
            "place": place.offset,
            "length": place.length,
            "digest": digest,
            "original": original,
            "etag": answer.header("etag") or (same.etag if same else None),
            "modified": answer.header("last-modified") or (same.modified if same else None),
        }

    def _count(self, **counts: int) -> None:
        for name, n in counts.items():
            self.counts[name] += n
            self._frontier.count(name, n)


def permissions(visit: Visit, rules: SiteRules, time: str) -> Iterator[Consent]:
    """Yield what a site says on asking for a page, in the order it is looked at; the first refusal is the last word."""
    allowed, evidence = rules.permission(visit.url)
    yield Consent(visit.url, time, "robots.txt", "fetch", allowed, evidence, rules.robots_url)
    reserved = rules.reserved(visit.url) if allowed and visit.kind == "page" else None
    if reserved:
        yield Consent(
            visit.url, time, reserved.source, "fetch", reserved.store, reserved.evidence, rules.tdmrep_url
        )


def _notes(visit: Visit, answer: Response, decision: Decision) -> dict[str, str]:
    """Say how it was found, for the record beside the answer."""
    notes = {
        "via": visit.via or "",
        "hopsFromSeed": str(visit.depth),
        "fetchTimeMs": str(round(answer.seconds * 1000)),
    }
    said = {f"consent-{one.source}": one.evidence for one in decision.consents}
    codec = {"charsetForLinkExtraction": decision.codec} if decision.codec else {}
    return {name: value for name, value in (notes | codec | said).items() if value}
