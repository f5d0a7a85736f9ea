"""What a crawl is told: where it starts, where it may go, how far, how fast, and what cuts an answer off."""

from __future__ import annotations

import re
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from kakehi.pipeline.sources.split import listed

#: Seconds from being told to stop until a crawl has stopped, at most.
GRACE_S: Final = 10.0


def _contact(value: str) -> str:
    if not re.fullmatch(r"(mailto:)?[^\s@()]+@[^\s@()]+\.[^\s@()]+|https?://[^\s()]+\.[^\s()]+", value):
        raise ValueError("wanted an e-mail address or a web page by which whoever is crawled can reach you")
    return value


def _pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as error:
        raise ValueError(f"no regular expression: {error}") from error
    return value


def _network(value: str) -> str:
    return str(ip_network(value))


def _address(value: str) -> str:
    return str(ip_address(value))


def _agent(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_-]+", value):
        raise ValueError("wanted letters, - and _ only (RFC 9309 knows no others in a robot's name)")
    return value


Contact = Annotated[str, AfterValidator(_contact)]
Agent = Annotated[str, AfterValidator(_agent)]
Names = Annotated[tuple[str, ...], BeforeValidator(listed)]


def _seed(value: str) -> str:
    if not re.fullmatch(
        r"(https?://)?[^\s/:]+(:\d+)?(/\S*)?|https?://\[[0-9a-fA-F:.]+\](:\d+)?(/\S*)?", value
    ):
        raise ValueError("wanted a host, or an address with http:// or https://")
    return value


Seeds = Annotated[tuple[Annotated[str, AfterValidator(_seed)], ...], BeforeValidator(listed)]
Agents = Annotated[tuple[Agent, ...], BeforeValidator(listed)]
Patterns = Annotated[tuple[Annotated[str, AfterValidator(_pattern)], ...], BeforeValidator(listed)]
Networks = Annotated[tuple[Annotated[str, AfterValidator(_network)], ...], BeforeValidator(listed)]
Addresses = dict[str, Annotated[str, AfterValidator(_address)]]


class Scope(BaseModel):
    """Which addresses belong to the crawl.

    Args:
        hosts: that may be asked; if none is named, those of the seeds.
        subdomains: whether hosts below these belong too.
        paths: beginnings of paths, one of which a page's must have.
        include: regular expressions, one of which must be found in the address; empty for no such demand.
        exclude: regular expressions, none of which may be found in it.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    hosts: Names = ()
    subdomains: bool = False
    paths: Names = ("/",)
    include: Patterns = ()
    exclude: Patterns = ()


class Budget(BaseModel):
    """How much is fetched at most; robots.txt and the like are not counted.

    Args:
        pages: requests for pages and sitemaps, whatever comes back, retries too.
        pages_per_host: the same, of one host.
        gigabytes: bodies received, in 10⁹ bytes.
        depth: links between a seed and a page.
        hours: time spent crawling, over all runs.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    pages: Annotated[int, Field(gt=0)] = 100_000
    pages_per_host: Annotated[int, Field(gt=0)] = 10_000
    gigabytes: Annotated[float, Field(gt=0)] = 10.0
    depth: Annotated[int, Field(ge=0)] = 20
    hours: Annotated[float, Field(gt=0)] = 24.0


class Pace(BaseModel):
    """How fast hosts are asked.

    Args:
        delay_s: seconds between two requests to one host, at least.
        max_delay_s: at most, however slow the host is; what its robots.txt asks for is kept all the same.
        per_host: requests to one host at a time.
        hosts: asked at a time; so many times `per_host` requests are under way at most.
        tries: how often a page is asked for that could not be had.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    delay_s: Annotated[float, Field(ge=0)] = 1.0
    max_delay_s: Annotated[float, Field(ge=0)] = 60.0
    per_host: Annotated[int, Field(gt=0)] = 1
    hosts: Annotated[int, Field(gt=0)] = 32
    tries: Annotated[int, Field(gt=0)] = 3


class Limits(BaseModel):
    """What cuts an answer or an address off.

    Args:
        body_mb: megabytes (10⁶ bytes) of a body as sent …
        unpacked_mb: … and unpacked.
        answer_s: seconds from asking to the last byte.
        redirects: redirects in a row.
        url_characters: length of an address.
        repeats: how often one segment may stand in a path.
        links: of a page that are followed; those behind are not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    body_mb: Annotated[float, Field(gt=0)] = 10.0
    unpacked_mb: Annotated[float, Field(gt=0)] = 20.0
    answer_s: Annotated[float, Field(gt=0)] = 60.0
    redirects: Annotated[int, Field(ge=0)] = 5
    url_characters: Annotated[int, Field(gt=0)] = 2_000
    repeats: Annotated[int, Field(gt=0)] = 3
    links: Annotated[int, Field(gt=0)] = 10_000


class Job(BaseModel):
    """A whole crawl as the process is told it: the stage's parameters, and where it may write.

    Args:
        folder: where state and WARC files under way lie.
        name: what names of WARC files begin with.
        limit: pages to store at most, or None.
        contact: of whoever answers for the crawl.
        agent: the robot's name, in its user agent and in robots.txt.
        seeds: addresses, or hosts alone.
        urls: file of addresses, one a line, or None.
        sitemaps: addresses of sitemaps.
        robots_sitemaps: whether sitemaps that robots.txt names are read too.
        obey_also: other robots whose rules are kept where a site names them.
        allow_addresses: networks that are asked although they are not public.
        resolve: addresses of hosts that are not looked up.
        earlier: table of visits of an earlier crawl, or None.
        warc_mb: size from which a WARC file is followed by the next.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    folder: Path
    name: str
    limit: int | None
    contact: Contact
    agent: Agent
    seeds: tuple[str, ...]
    urls: Path | None
    sitemaps: tuple[str, ...]
    robots_sitemaps: bool
    obey_also: tuple[Agent, ...]
    scope: Scope
    budget: Budget
    pace: Pace
    limits: Limits
    allow_addresses: Networks
    resolve: Addresses
    earlier: Path | None
    warc_mb: float

    @property
    def agents(self) -> frozenset[str]:
        """Every robot's name that is meant to be us, in lower case."""
        return frozenset(name.lower() for name in (self.agent, *self.obey_also))
