"""An archive in Common Crawl's layout on a local server with ranges, made of the quickstart's WARC files, and its index."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Self
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from fastwarc.warc import ArchiveIterator

ROOT = Path(__file__).parents[4]
CRAWL = "CC-MAIN-2026-04"
KANA = re.compile("[ぁ-ヿ]")


class Asked(NamedTuple):
    """A request as the server saw it: its range, what it answered, and whether all of that went out."""

    path: str
    start: int
    stop: int | None
    status: int
    whole: bool


class Site:
    """A server of a folder's files.

    Args:
        root: folder.
        fault: says of a request, by its number and path, what goes wrong with it, or None: a status, a URL to be led to,
            `reset`, `silent`, `cut`, `flipped`, `no ranges`, `wrong range` or `short range`.
        retry_after: seconds that 429 and 503 ask to wait.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log: list[Asked] = []
        self.agents: set[str] = set()
        self.fault: Callable[[int, str], str | None] = lambda _number, _path: None
        self.retry_after = "0"
        self._over = threading.Event()
        self._count = 0
        self._lock = threading.Lock()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def number(self) -> int:
        with self._lock:
            self._count += 1
            return self._count

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: object) -> None:
                return

            def do_GET(self) -> None:
                site.agents.add(self.headers["User-Agent"])
                path = self.path.lstrip("/")
                start, stop = self._range()
                fault = site.fault(site.number(), path) or ""
                content = (site.root / path).read_bytes() if (site.root / path).is_file() else None
                status, sent = self._answer(fault, content, start, stop)
                site.log.append(Asked(path, start, stop, status, sent))

            def _range(self) -> tuple[int, int | None]:
                found = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "bytes=0-"))
                assert found
                return int(found[1]), int(found[2]) + 1 if found[2] else None

            def _answer(
                self, fault: str, content: bytes | None, start: int, stop: int | None
            ) -> tuple[int, bool]:
                if fault in {"reset", "silent"}:
                    site._over.wait(30 if fault == "silent" else 0)
                    self.close_connection = True
                    return 0, False
                if content is None or fault.isdigit():
                    return self._refuse(int(fault or 404))
                if fault.startswith("http"):
                    return self._refuse(302, Location=fault)
                if start >= len(content):
                    return self._refuse(416, **{"Content-Range": f"bytes */{len(content)}"})
                body = content[start:stop]
                body = body[: (len(body) + 1) // 2] if fault == "short range" else body
                ranged = f"bytes {start}-{start + len(body) - 1}/{len(content)}"
                status = 200 if fault == "no ranges" else 206
                body = content if status == 200 else body
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                if status == 206:
                    self.send_header("Content-Range", "bytes 0-1/2" if fault == "wrong range" else ranged)
                self.end_headers()
                half = len(body) // 2
                flipped = body[:half] + bytes([body[half] ^ 255]) + body[half + 1 :]
                sent = {"cut": body[:half], "flipped": flipped}.get(fault, body)
                try:
                    self.wfile.write(sent)
                except OSError:
                    return status, False
                self.close_connection = fault == "cut"
                return status, len(sent) == len(body)

            def _refuse(self, status: int, **headers: str) -> tuple[int, bool]:
                self.send_response(status)
                for name, value in {"Content-Length": "0", **headers}.items():
                    self.send_header(name, value)
                if status in {429, 503}:
                    self.send_header("Retry-After", site.retry_after)
                self.end_headers()
                return status, True

        return Handler


def build(root: Path) -> list[dict[str, Any]]:
    """Lay out the quickstart's WARC files as Common Crawl does; give the rows of their index."""
    rows = []
    for path in sorted((ROOT / "manifests" / "quickstart" / "warc").glob("*.warc.gz")):
        name = f"crawl-data/{CRAWL}/segments/1700000000000.1/warc/{path.name}"
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
        rows += list(_rows(target, name))
    return rows


def _rows(path: Path, name: str) -> Iterator[dict[str, Any]]:
    size = path.stat().st_size
    found = []
    with path.open("rb") as file:
        for record in ArchiveIterator(file, parse_http=True):
            body = record.reader.read()
            found.append(
                (record.stream_pos, str(record.record_type), record.headers, record.http_headers, body)
            )
    ends = [place for place, *_ in found[1:]] + [size]
    for (offset, kind, headers, http, body), end in zip(found, ends, strict=True):
        if "response" not in kind or http is None:
            continue
        url = headers["WARC-Target-URI"]
        host = urlsplit(url).hostname or ""
        japanese = "/ja" in url or bool(KANA.search(body.decode("utf-8", "ignore")))
        yield {
            "url": url,
            "url_host_name": host,
            "url_host_tld": host.rpartition(".")[2],
            "fetch_status": http.status_code,
            "content_digest": base64.b32encode(hashlib.sha1(body).digest()).decode(),  # noqa: S324
            "content_mime_type": "text/html",
            "content_mime_detected": "text/html",
            "content_languages": "jpn,eng" if japanese else "eng",
            "warc_filename": name,
            "warc_record_offset": offset,
            "warc_record_length": end - offset,
        }


def parquet(rows: list[dict[str, Any]], path: Path, *, without: str = "") -> Path:
    """Write rows as Common Crawl's columnar index, in its types."""
    table = pa.Table.from_pylist(rows)
    for name, kind in {
        "fetch_status": pa.int16(),
        "warc_record_offset": pa.int32(),
        "warc_record_length": pa.int32(),
    }.items():
        if all(row[name] is None or 0 <= row[name] < 2**15 for row in rows) or kind == pa.int32():
            at = table.schema.get_field_index(name)
            try:
                table = table.set_column(at, name, table.column(name).cast(kind))
            except pa.ArrowInvalid:
                continue  # a hostile row's number
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.drop_columns([without]) if without else table, path)
    return path


def cdxj(rows: list[dict[str, Any]]) -> str:
    """Write rows as Common Crawl's CDXJ lines."""
    names = {
        "url": "url",
        "fetch_status": "status",
        "content_digest": "digest",
        "content_mime_type": "mime",
        "content_mime_detected": "mime-detected",
        "content_languages": "languages",
        "warc_filename": "filename",
        "warc_record_offset": "offset",
        "warc_record_length": "length",
    }
    lines = []
    for row in rows:
        told = {theirs: str(row[ours]) for ours, theirs in names.items() if row[ours] is not None}
        lines.append(f"surt 20260401000000 {json.dumps(told)}\n")
    return "".join(lines)
