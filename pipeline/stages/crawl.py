"""crawl: pages of the web, asked for politely and with consent, to WARC files with a ledger beside them."""

from __future__ import annotations

import multiprocessing
import shutil
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Annotated, Any, Final

import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import Field

from kakehi.filters.page.consent import TRAINING
from kakehi.pipeline.errors import ContractError, DataError, EngineError, ManifestError, ParameterError
from kakehi.pipeline.sources.crawl.frontier import Frontier
from kakehi.pipeline.sources.crawl.parameters import (
    GRACE_S,
    Addresses,
    Agent,
    Agents,
    Budget,
    Contact,
    Job,
    Limits,
    Networks,
    Pace,
    Scope,
    Seeds,
)
from kakehi.pipeline.sources.crawl.tables import LEDGER, SITES, VISITS, write
from kakehi.pipeline.sources.fetch import Fetch
from kakehi.pipeline.stages.stage import FilePath, Stage
from kakehi.pipeline.storage.shards import Shard, fetch_shard
from kakehi.pipeline.storage.store import Counts
from kakehi.pipeline.walltime import OutOfTimeError

#: Outcomes of pages that are in the WARC files as pages.
RECORDS: Final = frozenset({"stored", "revisit"})

#: Outcomes that an error names, the most frequent first.
_SHOWN: Final = 5

#: Seconds between two looks at the clock.
_LOOK_S: Final = 0.5


def crawl(
    asked: Fetch,
    *,
    contact: Contact,
    seeds: Seeds = (),
    urls: FilePath | None = None,
    sitemaps: Seeds = (),
    robots_sitemaps: bool = True,
    scope: Scope = Scope(),  # noqa: B008 - frozen
    budget: Budget = Budget(),  # noqa: B008
    pace: Pace = Pace(),  # noqa: B008
    limits: Limits = Limits(),  # noqa: B008
    agent: Agent = "kakehi",
    obey_also: Agents = TRAINING,
    allow_addresses: Networks = (),
    resolve: Addresses = {},  # noqa: B006 - never written to
    earlier: FilePath | None = None,
    warc_mb: Annotated[float, Field(gt=0)] = 1000.0,
) -> Counts:
    """Fetch pages within bounds, as far as their sites let us, and keep what each of them said.

    Args:
        asked: the one shard.
        contact: mail address or web page of whoever answers for the crawl; part of the user agent.
        seeds: addresses to start at, or hosts, which stand for their first page by https.
        urls: file of more of them, one a line.
        sitemaps: addresses of sitemaps whose pages are fetched.
        robots_sitemaps: whether sitemaps that robots.txt names are read too.
        scope: which addresses belong to the crawl.
        budget: how much is fetched at most.
        pace: how fast hosts are asked.
        limits: what cuts an answer or an address off.
        agent: the robot's name, in its user agent and in robots.txt.
        obey_also: other robots whose rules are kept where a site names them.
        allow_addresses: networks that are asked although they are not public, as `10.1.0.0/16`.
        resolve: addresses of hosts that are not looked up.
        earlier: table of visits of an earlier crawl: what has not changed since becomes a revisit record.
        warc_mb: size in MB (10⁶ bytes) from which a WARC file is followed by the next.
    """
    if find_spec("scrapy") is None:
        raise ParameterError(
            "crawl: Scrapy is not installed", hint="pip install 'kakehi[crawl]', with the quotes"
        )
    job = Job(
        folder=asked.home,
        name=asked.shard.name,
        limit=asked.shard.limit,
        contact=contact,
        agent=agent,
        seeds=seeds,
        urls=urls,
        sitemaps=sitemaps,
        robots_sitemaps=robots_sitemaps,
        obey_also=obey_also,
        scope=scope,
        budget=budget,
        pace=pace,
        limits=limits,
        allow_addresses=allow_addresses,
        resolve=resolve,
        earlier=earlier,
        warc_mb=warc_mb,
    )
    if not _crawled(job, asked):
        raise OutOfTimeError
    return _laid_out(asked)


def _crawled(job: Job, asked: Fetch) -> bool:
    """Run the crawl in a process of its own; say whether it is done."""
    from kakehi.pipeline.sources.crawl.spider import work  # noqa: PLC0415 - of the extra `crawl`

    asked.time_left.took(min(GRACE_S, job.limits.answer_s))  # so long it takes to stop
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=work, args=(job, theirs), daemon=True)
    process.start()
    theirs.close()
    try:
        return _listened(ours, asked)
    except EOFError:
        process.join(10)
        raise EngineError(
            f"crawl: its process ended with exit code {process.exitcode}",
            hint="run again to go on from there",
        ) from None
    finally:
        ours.close()  # which ends the process, where it has not ended
        process.join(10)
        process.kill()


def _listened(line: Connection, asked: Fetch) -> bool:
    """Pass on what the process says until it is over."""
    stopping = False
    while True:
        if not line.poll(_LOOK_S):
            if not (stopping or asked.time_left.allows()):
                line.send("stop")
                stopping = True
            continue
        kind, said = line.recv()
        if kind == "told":
            asked.tell(said)
        elif kind == "end":
            return bool(said)
        elif kind == "broken":
            raise ContractError(f"crawl: {said}")
        else:
            number, text = said
            raise OSError(number, text) if number else DataError(text, hint="run again to go on from there")


def _laid_out(asked: Fetch) -> Counts:
    """Lay out WARC files and tables; what is at home stays until the receipt."""
    for path in sorted(asked.home.glob(f"{asked.shard.name}.*.warc.gz")):
        asked.lay_out(path, path.name.removeprefix(f"{asked.shard.name}."))
    frontier = Frontier(asked.home / "frontier.sqlite")
    try:
        write(frontier, "urls", VISITS, "id", asked.output("visits.parquet"))
        write(frontier, "ledger", LEDGER, "rowid", asked.output("ledger.parquet"))
        write(frontier, "sites", SITES, "origin", asked.output("sites.parquet"))
        outcomes, counts = frontier.outcomes(), frontier.counts()
    finally:
        frontier.close()
    if not RECORDS & outcomes.keys():
        shutil.rmtree(asked.home)
        worst = sorted(outcomes.items(), key=lambda item: (-item[1], item[0]))[:_SHOWN]
        raise DataError(
            f"no page could be stored: {', '.join(f'{name} {n:,}' for name, n in worst)}",
            hint="see to seeds, scope and network; the next run begins anew",
        )
    return _counted(outcomes, counts)


def _counted(outcomes: Mapping[str, int], counts: Mapping[str, int]) -> Counts:
    records, asked = sum(outcomes.get(name, 0) for name in RECORDS), sum(outcomes.values())
    missing = {f"missing/{name}": n for name, n in outcomes.items() if name not in RECORDS}
    links = {name: n for name, n in counts.items() if name.startswith("links/")}
    told = {name: counts.get(name, 0) for name in ("requests", "retries")}
    more = {"received_bytes": counts.get("bytes", 0), "revisits": outcomes.get("revisit", 0)}
    return {"asked": asked, "records": records, **missing, **links, **told, **more}


def _shards(parameters: Mapping[str, Any], source: str, root: Path, limit: int | None) -> list[Shard]:
    """Make the one shard: a crawl is known by its parameters.

    Raises:
        ManifestError: it has nowhere to start.
    """
    del root
    if not (parameters["seeds"] or parameters["urls"] or parameters["sitemaps"]):
        raise ManifestError(f"source {source!r}: crawl: nothing to start at; wanted seeds, urls or sitemaps")
    return [fetch_shard(source, "all", [], limit=limit)]


def _cost(asked: Shard, parameters: Mapping[str, Any]) -> Iterator[str]:
    """Say what a crawl may take at most: how much there is, nobody knows before."""
    budget, pace = Budget(**parameters["budget"]), Pace(**parameters["pace"])
    pages = min(budget.pages, asked.limit or budget.pages)
    starts = len(parameters["seeds"]) + len(parameters["sitemaps"])
    listed = f" and {parameters['urls'].name}" if parameters["urls"] else ""
    yield (
        f"at most {pages:,} requests, {budget.gigabytes:g} GB, {budget.hours:g} h, from {starts:,} addresses{listed}; "
        f"a host is asked every {pace.delay_s:g} s at most"
    )


def _told(folder: Path, asked: Shard, row: Mapping[str, Any]) -> Iterator[str]:
    """Say how a page was come by, what became of it, and whose word decided."""
    visits = folder / f"{asked.name}.visits.parquet"
    if not row.get("url") or not visits.exists():
        return
    of_url = pc.field("url") == row["url"]
    for visit in pq.read_table(visits, filters=of_url).to_pylist():
        via = f", linked from {visit['via']}" if visit["via"] else ", a seed"
        status = f" ({visit['status']})" if visit["status"] else ""
        yield f"crawl       {visit['outcome']}{status} at {visit['fetched'] or 'no time'}, depth {visit['depth']}{via}"
    for line in pq.read_table(folder / f"{asked.name}.ledger.parquet", filters=of_url).to_pylist():
        said = "allowed" if line["allowed"] else "forbidden"
        yield f"consent     {line['asked']} {said} by {line['source']}: {line['evidence']}"


STAGE = Stage(
    run=crawl,
    shape="fetch",
    writes="warcs",
    version=1,
    aside=("contact", "pace", "resolve"),
    shards=_shards,
    cost=_cost,
    told=_told,
)
