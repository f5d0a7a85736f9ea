"""Decide what one answer means: what is stored of it, where it leads, what it says of consent. Opens nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin, urlsplit

from kakehi.filters.decoding.charset import decode
from kakehi.filters.page.consent import Said, said_in_headers, said_in_page
from kakehi.filters.page.hints import is_japanese, rank_of
from kakehi.filters.page.links import Link, links_of
from kakehi.pipeline.sources.crawl import sitemaps
from kakehi.pipeline.sources.crawl.frontier import Consent, FoundUrl, Visit
from kakehi.pipeline.sources.crawl.parameters import Job
from kakehi.pipeline.sources.crawl.responses import Response
from kakehi.pipeline.sources.crawl.scope import Bounds, canonical_url, path_of
from kakehi.pipeline.sources.crawl.site_rules import REDIRECTS
from kakehi.pipeline.sources.formats.http import BodyError, unwrapped
from kakehi.pipeline.sources.formats.media import media_type, page_type

#: Lists of lists of sitemaps, one in the other, that are followed.
_NESTED: Final = 3
STORED: Final = "stored"


@dataclass(kw_only=True)
class Decision:
    """What becomes of an answer.

    Args:
        outcome: as it is counted.
        store: whether it is written.
        again: whether it is asked for once more, a while later.
        found: addresses to ask for.
        refused: links that are not followed, by reason.
        consents: for the ledger.
        codec: of a page that was read, or ''.
    """

    outcome: str
    store: bool = False
    again: bool = False
    found: list[FoundUrl] = field(default_factory=list)
    refused: Counter[str] = field(default_factory=Counter)
    consents: list[Consent] = field(default_factory=list)
    codec: str = ""


def decide(visit: Visit, answer: Response, job: Job, bounds: Bounds, time: str) -> Decision:
    """Decide on an answer.

    Args:
        visit: what was asked for.
        answer: that came.
        job: of the crawl.
        bounds: of the crawl.
        time: now, as the ledger has it.
    """
    if answer.status in {429, 500, 502, 503, 504} and visit.tries + 1 < job.pace.tries:
        return Decision(outcome=f"http_{answer.status}", again=True)
    said = said_in_headers(answer.headers, job.agents)
    decision = _decision(visit, answer, job, bounds, said)
    decision.consents = list(consents(visit.url, said, time))
    if visit.kind != "page":
        decision.store = False
    elif forbidding := next((one for one in said if not one.store), None):
        decision.store, decision.outcome = False, forbidding.source.replace("-", "_")
    return decision


def consents(url: str, said: Iterable[Said], time: str) -> Iterator[Consent]:
    """Yield the ledger's lines of what a page says: on storing it, and on following its links where that is refused."""
    for one in said:
        yield Consent(url, time, one.source, "store", one.store, one.evidence, url)
        if not one.follow:
            yield Consent(url, time, one.source, "follow", False, one.evidence, url)


def _decision(visit: Visit, answer: Response, job: Job, bounds: Bounds, said: list[Said]) -> Decision:
    """Decide by status; what a page itself says is added to `said`."""
    if answer.status in REDIRECTS:
        return _redirected(visit, answer, job, bounds)
    if answer.status != 200:
        return Decision(outcome=f"http_{answer.status}", store=not answer.cut)
    if visit.kind == "sitemap":
        return _sitemap(visit, answer, job, bounds)
    if answer.cut:
        return Decision(outcome="media_type")
    return _page(visit, answer, job, bounds, said)


def _redirected(visit: Visit, answer: Response, job: Job, bounds: Bounds) -> Decision:
    target = canonical_url(_joined(visit.url, answer.header("location") or ""))
    decision = Decision(outcome="redirect", store=not answer.cut)
    if target is None:
        decision.refused["no_address"] += 1
    elif visit.redirects >= job.limits.redirects:
        decision.outcome = "endless_redirects"
    elif visit.kind == "page" and (why := bounds.refusal(target)):
        decision.refused[why] += 1
    elif visit.kind == "page" or bounds.belongs(target):
        more = FoundUrl(target, visit.kind, visit.depth, visit.redirects + 1, visit.rank, visit.url)
        decision.found.append(more)
    return decision


def _sitemap(visit: Visit, answer: Response, job: Job, bounds: Bounds) -> Decision:
    try:
        plain = _unpacked(answer, job)
        if plain.startswith(b"\x1f\x8b"):
            plain = unwrapped(plain, None, "gzip", max_bytes=int(job.limits.unpacked_mb * 1e6))
    except BodyError as fault:
        return Decision(outcome=_broken(fault))
    named, decision = sitemaps.read(plain), Decision(outcome="sitemap")
    for url in named.urls:
        target = canonical_url(url)
        if target is None:
            decision.refused["no_address"] += 1
        elif not named.is_index:
            _follow(decision, bounds, FoundUrl(target, "page", 0, 0, rank(target), visit.url))
        elif visit.depth < _NESTED and bounds.belongs(target):
            decision.found.append(FoundUrl(target, "sitemap", visit.depth + 1, 0, visit.rank, visit.url))
    return decision


def _page(visit: Visit, answer: Response, job: Job, bounds: Bounds, said: list[Said]) -> Decision:
    try:
        plain = _unpacked(answer, job)
    except BodyError as fault:
        return Decision(outcome=_broken(fault))
    named = media_type(answer.header("content-type")) or page_type("", plain)
    if named == "text/plain" or not plain:
        return Decision(outcome=STORED if plain else "empty_body", store=True)
    if named not in {"text/html", "application/xhtml+xml"}:
        return Decision(outcome="media_type")
    decoded = decode(plain, answer.charset)
    html = decoded.utf8(plain)
    decision = Decision(outcome=STORED, store=True, codec=decoded.codec)
    said += said_in_page(html, job.agents)
    if all(one.follow for one in said):
        if visit.depth < job.budget.depth:
            links = links_of(html, visit.url, job.limits.links)
            _links(decision, visit, links, decoded.codec, bounds, japanese=is_japanese(html, decoded.codec))
        else:
            decision.refused["too_deep"] += 1
    return decision


def _links(
    decision: Decision, visit: Visit, links: list[Link], codec: str, bounds: Bounds, *, japanese: bool
) -> None:
    for link in links:
        target = canonical_url(link.url, codec)
        if target is None:
            decision.refused["no_address"] += 1
        elif not link.follow:
            decision.refused["nofollow"] += 1
        else:
            early = rank(target, link.language, japanese)
            _follow(decision, bounds, FoundUrl(target, "page", visit.depth + 1, 0, early, visit.url))


def _follow(decision: Decision, bounds: Bounds, found: FoundUrl) -> None:
    if why := bounds.refusal(found.url):
        decision.refused[why] += 1
    else:
        decision.found.append(found)


def rank(url: str, language: str = "", neighbour: bool | None = None) -> int:
    """Say how early an address should be asked for (`hints.rank_of`)."""
    return rank_of(urlsplit(url).hostname or "", path_of(url), language=language, neighbour=neighbour)


def _unpacked(answer: Response, job: Job) -> bytes:
    limit = int(job.limits.unpacked_mb * 1e6)
    return unwrapped(answer.body, None, answer.header("content-encoding"), max_bytes=limit)


def _broken(fault: BodyError) -> str:
    return "bomb" if fault.reason == "too_large" else fault.reason


def _joined(base: str, named: str) -> str:
    try:
        return urljoin(base, named)
    except ValueError:
        return ""
