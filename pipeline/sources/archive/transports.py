"""Read bytes of an archive's files: over HTTP from the hosts that the manifest names, or from a disk."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from pathlib import Path, PurePosixPath
from typing import Any, Protocol
from urllib.parse import quote, unquote, urljoin, urlsplit

import urllib3

from kakehi.pipeline.sources.archive.rate_limit import LONGEST_S, RateLimit

CHUNK_BYTES = 1 << 16

#: A server that ignores ranges is read up to the wanted bytes over no more than this.
SKIP_BYTES = 64 << 20

#: A body may come as slowly as this, once its time of silence is used up.
SLOWEST_BYTES_S = 16 << 10

_CONNECT_S = 10.0
_REDIRECTS = 5
_RANGE = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(\d{1,18}|\*)")
_NO_RANGE = re.compile(r"bytes \*/(\d{1,18})")

#: Answers that may be others next time. 403: Common Crawl's rate rules answer so, see https://status.commoncrawl.org.
_AGAIN = frozenset({403, 408, 425, 429, 500, 502, 503, 504})


class RefusedError(Exception):
    """Bytes that were not had.

    Args:
        reason: one word.
        again: whether asking again may help.
        wait_s: how long the server asks to wait, or None.
    """

    def __init__(self, reason: str, *, again: bool, wait_s: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.again = again
        self.wait_s = wait_s


class Transport(Protocol):
    """Where an archive lies."""

    def read(self, name: str, start: int, stop: int | None) -> Iterator[bytes]:
        """Yield the bytes of a file from `start` up to `stop`, or to its end.

        Raises:
            RefusedError: it can't be asked, or not all of them came; those before are sound.
        """
        ...


def open_transport(base: str, pace: RateLimit, **more: Any) -> Transport:
    """Give the place that a base URL names; more are the arguments of `Http`.

    Raises:
        ValueError: it is no http, https or file URL.
    """
    parts = urlsplit(base)
    if parts.scheme == "file" and parts.path:
        return Disk(root=Path(unquote(parts.path)), pace=pace)
    plain = bool(parts.hostname) and not (parts.query or parts.fragment or parts.username) and _port(parts)
    if parts.scheme not in {"http", "https"} or not plain:
        raise ValueError(f"got {base!r}, wanted an http, https or file URL without user and query")
    return Http(base=base if base.endswith("/") else f"{base}/", pace=pace, **more)


def is_safe(name: str) -> bool:
    """Say whether a name out of an index or a list leads to a file below the archive's root, and nowhere else."""
    place = PurePosixPath(name)
    plain = name.isprintable() and not set(name) & set("\\?#:%")
    return bool(name) and plain and not place.is_absolute() and ".." not in place.parts and len(name) <= 1024


@dataclass(frozen=True, kw_only=True)
class Disk:
    """An archive on a disk.

    Args:
        root: where names start.
        pace: counts.
    """

    root: Path
    pace: RateLimit

    def read(self, name: str, start: int, stop: int | None) -> Iterator[bytes]:
        """Yield bytes of a file; a link that leads out of the root is refused."""
        self.pace.request()
        path = self.root / name
        if not path.resolve().is_relative_to(self.root.resolve()):
            raise RefusedError("outside", again=False)
        try:
            with path.open("rb") as file:
                file.seek(start)
                left = stop - start if stop is not None else None
                while left is None or left > 0:
                    chunk = file.read(CHUNK_BYTES if left is None else min(CHUNK_BYTES, left))
                    if not chunk:
                        break
                    left = None if left is None else left - len(chunk)
                    self.pace.take(len(chunk))
                    yield chunk
        except OSError as error:
            missing = isinstance(error, (FileNotFoundError, IsADirectoryError, NotADirectoryError))
            raise RefusedError("not_found" if missing else "unreadable", again=not missing) from error
        if left:
            raise RefusedError("past_end", again=False)


@dataclass(kw_only=True)
class Http:
    """An archive on a web server.

    Args:
        base: URL that names are put behind; its host, scheme and port are the only ones asked.
        pace: towards that server.
        redirects: further hosts, as `host` or `host:port`, that it may lead to.
        connections: kept open; as many as ask at a time.
        timeout_s: longest silence.
        contact: mail address or URL in the user agent, so that the archive's keepers can say what is wrong.
    """

    base: str
    pace: RateLimit
    redirects: tuple[str, ...] = ()
    connections: int = 4
    timeout_s: float = 60.0
    contact: str | None = None
    _pool: urllib3.PoolManager = field(init=False)

    def __post_init__(self) -> None:
        about = f"; {self.contact}" if self.contact else ""
        self._pool = urllib3.PoolManager(
            num_pools=1 + len(self.redirects),
            maxsize=self.connections,
            timeout=urllib3.Timeout(connect=min(_CONNECT_S, self.timeout_s), read=self.timeout_s),
            headers={
                "User-Agent": f"kakehi/{version('kakehi')} (archive fetch{about})",
                "Accept-Encoding": "identity",
            },
        )

    def read(self, name: str, start: int, stop: int | None) -> Iterator[bytes]:
        """Yield bytes of a file, at the pace and within the time of a server that works."""
        url = urljoin(self.base, quote(name))
        end = "" if stop is None else stop - 1
        try:
            answer = self._asked(url, {"Range": f"bytes={start}-{end}"})
            try:
                skip, left = _slice(answer, start, stop)
                yield from self._taken(answer, skip, left)
            finally:
                _let_go(answer)
            if left is not None and stop is not None and left < stop - start:
                raise RefusedError("past_end", again=False)
        except urllib3.exceptions.NewConnectionError as error:
            raise RefusedError("no_connection", again=True) from error
        except urllib3.exceptions.SSLError as error:
            raise RefusedError("tls", again=True) from error
        except urllib3.exceptions.TimeoutError as error:
            raise RefusedError("timeout", again=True) from error
        except urllib3.exceptions.HTTPError as error:
            raise RefusedError("cut", again=True) from error

    def _asked(self, url: str, headers: dict[str, str]) -> urllib3.BaseHTTPResponse:
        """Ask, and follow redirects to hosts that were named."""
        for _ in range(_REDIRECTS + 1):
            self.pace.request()
            answer = self._pool.request(
                "GET",
                url,
                headers={**self._pool.headers, **headers},
                preload_content=False,
                decode_content=False,
                redirect=False,
                retries=False,
            )
            if answer.status not in {301, 302, 303, 307, 308}:
                return answer
            _let_go(answer)
            try:
                url = urljoin(url, answer.headers.get("Location", ""))
                allowed = self._may_ask(url)
            except ValueError:
                allowed = False  # no URL at all
            if not allowed:
                raise RefusedError("redirect", again=False)
        raise RefusedError("redirects", again=False)

    def _may_ask(self, url: str) -> bool:
        """Say whether a redirect's target is the manifest's own host, or one that it names, and no less safe."""
        home, parts = urlsplit(self.base), urlsplit(url)
        if parts.scheme not in {"http", "https"} or (home.scheme, parts.scheme) == ("https", "http"):
            return False
        same = (parts.hostname, _port(parts)) == (home.hostname, _port(home))
        return same or {parts.hostname, parts.netloc} & set(self.redirects) != set()

    def _taken(self, answer: urllib3.BaseHTTPResponse, skip: int, left: int | None) -> Iterator[bytes]:
        """Yield the wanted bytes of a body; end one that comes too slowly."""
        began, waited, came = time.monotonic(), 0.0, 0
        for chunk in answer.stream(CHUNK_BYTES, decode_content=False):
            came += len(chunk)
            before = time.monotonic()
            self.pace.take(len(chunk))
            wanted, skip = chunk[skip:], max(0, skip - len(chunk))
            wanted = wanted if left is None else wanted[:left]
            left = None if left is None else left - len(wanted)
            if wanted:
                yield wanted
            waited += time.monotonic() - before  # for our own pace and work, not for the server
            if left == 0:
                return
            if time.monotonic() - began - waited > self.timeout_s + came / SLOWEST_BYTES_S:
                raise RefusedError("slow", again=True)
        if left:
            raise RefusedError("truncated", again=True)


def _slice(answer: urllib3.BaseHTTPResponse, start: int, stop: int | None) -> tuple[int, int | None]:
    """Say how many bytes of a body to skip, and how many to take.

    Raises:
        RefusedError: it is not what was asked for.
    """
    wanted = None if stop is None else stop - start
    if answer.status == 200:
        if start > SKIP_BYTES:
            raise RefusedError("no_ranges", again=False)
        return start, wanted
    if answer.status == 416 and stop is None and start > 0:
        behind = _NO_RANGE.fullmatch(answer.headers.get("Content-Range", ""))
        if behind and int(behind[1]) == start:
            return 0, 0  # all of the file was read before
    if answer.status != 206:
        raise RefusedError(
            f"http_{answer.status}",
            again=answer.status in _AGAIN,
            wait_s=_retry_after(answer.headers.get("Retry-After")),
        )
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", ""))
    if found is None or int(found[1]) != start:
        raise RefusedError("wrong_range", again=True)
    if found[3] != "*" and start <= int(found[3]) < (stop or 1 << 63):
        return 0, int(found[3]) - start  # the file ends before: what there is of it may hold whole records
    return 0, wanted


def _let_go(answer: urllib3.BaseHTTPResponse) -> None:
    """Hand a connection back, its answer read to the end; close one that has much to say, or does not say how much."""
    if answer.length_remaining is not None and answer.length_remaining <= CHUNK_BYTES:
        answer.drain_conn()  # an empty answer too: until it is read, http.client takes no other request
    else:
        answer.close()
    answer.release_conn()  # a closed one is opened again when it is next asked


def _retry_after(value: str | None) -> float | None:
    """Read seconds or a date; nonsense is no wish."""
    if not value:
        return None
    if value.strip().isdecimal():
        return min(float(value), LONGEST_S)
    try:
        return min(max(0.0, parsedate_to_datetime(value).timestamp() - time.time()), LONGEST_S)
    except (ValueError, OverflowError):
        return None


def _port(parts: Any) -> int:
    return parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
