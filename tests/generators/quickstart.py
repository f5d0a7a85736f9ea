"""Rebuild the quickstart's input files from the two packages their pages come from.

The pages are manuals (electron-i18n from npm, apache2-doc from Debian), not the web. Hosts, dates, headers,
copies and damages are made up here. Everything is drawn from hashes of URLs: the same packages give the same
records, and with the zlib, zstd and pyarrow named in SHA256SUMS the same bytes.

    python -m tests.generators.quickstart                      # fetch both packages with npm and apt-get, write them
    python -m tests.generators.quickstart --cache DIR          # keep, or use, the packages' files in DIR
    python -m tests.generators.quickstart --check --cache DIR  # rebuild elsewhere and compare with what lies here
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import html
import json
import re
import subprocess
import sys
import tarfile
import tempfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard
from resiliparse.extract.html2text import extract_plain_text

from kakehi.filters.page.html import main_text

HERE = Path(__file__).resolve().parents[2] / "manifests" / "quickstart"
ELECTRON = "electron-i18n"
ELECTRON_VERSION = "1.3136.0"
ELECTRON_DOCS_SHA256 = "a6aefd4e7f78e3c3dca9d64f5998bcc59d2ec7bbc8d5af017f59e7a28f075569"
APACHE = "apache2-doc"
APACHE_PAGES_SHA256 = "7da31e6deddaee62ed3720a062e5ff463a71ab7e8975c7242ba52af6f73ad1f5"
APACHE_FOLDER = f"usr/share/doc/{APACHE}/manual"
DATE = "2026-04-01T00:{minute:02d}:{second:02d}Z"

WARC_PAGES, JSONL_PAGES, PARQUET_PAGES = 92, 29, 19  # Japanese originals in each kind of file
FOREIGN_PAGES = {"en": 14, "zh": 14, "ko": 14}
ONLY_FOREIGN, EMPTY = 3, 4  # numbers of the two WARC files without a kept row


@dataclass(frozen=True)
class Page:
    """A page with the URL it gets; `markup` is a whole HTML document in UTF-8."""

    url: str
    lang: str
    markup: str
    title: str
    http_charset: str = "UTF-8"
    codec: str = "utf-8"


@dataclass(frozen=True)
class Gold:
    """What must become of one record: a row of gold.tsv."""

    key: str
    file: str
    expect: str  # keep: reading, charset, extraction and language let it pass; a screen may still object
    detail: str = ""
    codec: str = ""


def main() -> None:
    """Rebuild, or check, and print what was written."""
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as temporary:
        cache = arguments.cache or Path(temporary)
        pages = electron_pages(cache) + apache_pages(cache)
        if not arguments.check:
            write_all(pages, HERE)
            return
        out = Path(temporary) / "rebuilt"
        write_all(pages, out)
        sys.exit(compare(out, HERE))


def write_all(pages: list[Page], out: Path) -> None:
    """Write every file of the quickstart and its gold below `out`."""
    japanese, foreign, fallback = choose(pages)
    in_warc = japanese[:WARC_PAGES]
    in_jsonl = japanese[WARC_PAGES:][:JSONL_PAGES]
    in_parquet = japanese[WARC_PAGES + JSONL_PAGES :]
    gold = write_warcs(in_warc, foreign, fallback, out / "warc")
    gold += write_jsonl(in_jsonl, in_warc, out / "wiki" / "articles-00000.jsonl.zst")
    gold += write_parquet(in_parquet, in_jsonl, out / "notes" / "notes-00000.parquet")
    lines = ["key\tfile\texpect\tdetail\tcodec"]
    lines += [f"{g.key}\t{g.file}\t{g.expect}\t{g.detail}\t{g.codec}" for g in gold]
    (out / "gold.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    write_sums(out)


# ------------------------------------------------------------------------------------------------ the packages


def electron_pages(cache: Path) -> list[Page]:
    """Return the pages of electron-i18n, each fragment put into a page of a site."""
    archive = cache / f"{ELECTRON}-{ELECTRON_VERSION}.tgz"
    if not archive.exists():
        _run(["npm", "pack", "--silent", f"{ELECTRON}@{ELECTRON_VERSION}"], cache)
    with tarfile.open(archive) as opened:
        member = opened.extractfile("package/dist/docs.json")
        docs = member.read() if member else b""
    _demand(f"{ELECTRON} dist/docs.json", hashlib.sha256(docs).hexdigest(), ELECTRON_DOCS_SHA256)
    languages = {"ja-JP": "ja", "en-US": "en", "zh-CN": "zh"}
    return [
        _framed(lang, page)
        for locale, lang in languages.items()
        for page in json.loads(docs)[locale].values()
    ]


def apache_pages(cache: Path) -> list[Page]:
    """Return the pages of apache2-doc; a link below ja/ is the English page at a Japanese address."""
    if not list(cache.glob(f"{APACHE}_*.deb")):
        _run(["apt-get", "download", "-q", APACHE], cache)
    unpacked = cache / "unpacked"
    if not unpacked.exists():
        _run(["dpkg", "-x", str(max(cache.glob(f"{APACHE}_*.deb"))), str(unpacked)], cache)
    root = unpacked / APACHE_FOLDER
    pages, digest = [], hashlib.sha256()
    for folder, lang in (("en", "en"), ("ja", "ja"), ("ko", "ko"), ("zh-cn", "zh")):
        for path in sorted((root / folder).rglob("*.html")):
            stored = path.read_bytes()
            codec = "euc_kr" if b"charset=EUC-KR" in stored else "utf-8"
            markup = stored.decode(codec)
            name = path.relative_to(root).as_posix()
            digest.update(f"{name}\0{markup}\0".encode())
            language = "fallback" if path.is_symlink() else lang
            title = re.search(r"<title>(.*?)</title>", markup, re.DOTALL)
            heading = html.unescape(title.group(1)) if title else name
            page = Page(f"http://{_apache_host(name)}/2.4/{name}", language, markup, heading)
            pages.append(_korean(page) if codec == "euc_kr" else page)
    _demand(f"pages of {APACHE}", digest.hexdigest(), APACHE_PAGES_SHA256)
    return pages


def choose(pages: list[Page]) -> tuple[list[Page], list[Page], list[Page]]:
    """Return Japanese pages (the longest, in hash order), foreign pages, and English at Japanese addresses."""
    lists = re.compile(r"/(index|quickreference|directives)\.html$")  # hardly a sentence in any language
    pages = [p for p in pages if not lists.search(p.url)]
    japanese = sorted((p for p in pages if p.lang == "ja"), key=lambda p: (-_kana_kanji(_text(p)), p.url))
    chosen = sorted(japanese[: WARC_PAGES + JSONL_PAGES + PARQUET_PAGES], key=lambda p: _draw(p.url))
    foreign: list[Page] = []
    for lang, count in FOREIGN_PAGES.items():
        candidates = [p for p in pages if p.lang == lang and 1500 < len(_text(p)) < 12000]
        if lang == "zh":
            candidates = [p for p in candidates if _kanji_share(_text(p)) > 0.3]
        foreign += sorted(candidates, key=lambda p: _draw(p.url))[:count]
    fallback = [p for p in pages if p.lang == "fallback" and "/ja/" in p.url and 1500 < len(_text(p)) < 8000]
    return chosen, foreign, sorted(fallback, key=lambda p: _draw(p.url))[:2]


def _framed(lang: str, page: dict[str, Any]) -> Page:
    """Put a fragment of electron-i18n into a page with navigation and footer, as its site would."""
    host = "desktop-docs.example" if "/api" in page["href"] else "desktop-guide.example"
    words = {
        "ja": ("ホーム", "ガイド", "API", "ブログ", "このページを編集する"),
        "en": ("Home", "Guides", "API", "Blog", "Edit this page"),
        "zh": ("首页", "指南", "API", "博客", "编辑此页"),
    }[lang]
    menu = "".join(f'<li><a href="/{lang}/{n}">{word}</a></li>' for n, word in enumerate(words[:4]))
    title = str(page.get("title") or page["slug"])
    markup = (
        f'<!DOCTYPE html>\n<html lang="{lang}"><head><meta charset="UTF-8">\n'
        f"<title>{html.escape(title)} | Electron</title></head>\n<body><header><nav><ul>{menu}</ul></nav></header>\n"
        f'<main><article>\n{page["html"]}\n</article></main>\n<footer><p><a href="/edit">{words[4]}</a></p>'
        "<p>Copyright (c) 2017, GitHub</p></footer></body></html>\n"
    )
    return Page(f"https://{host}/{lang}{page['href']}", lang, markup, title)


def _korean(page: Page) -> Page:
    """Leave modules in the package's own EUC-KR, send the others as UTF-8."""
    if "modules" in page.url:
        return replace(page, codec="euc_kr", http_charset="EUC-KR")
    return replace(page, markup=page.markup.replace("charset=EUC-KR", "charset=UTF-8"))


def _apache_host(name: str) -> str:
    section = name.split("/")[1]
    return {"mod": "httpd-modules.example", "howto": "httpd-howto.example"}.get(
        section, "httpd-manual.example"
    )


# ---------------------------------------------------------------------------------------------------- the copies


def reencoded(page: Page, codec: str, label: str, http: str, *, declared: bool = True) -> Page:
    """Return the page for another codec; `http` is what the header says, `declared` whether its meta tells."""
    markup = re.sub(r"(?i)charset=UTF-8", f"charset={label}" if declared else "", page.markup)
    markup = re.sub(r'(?i)charset="UTF-8"', f'charset="{label}"' if declared else "", markup)
    return replace(page, markup=markup, codec=codec, http_charset=http)


def edited(page: Page, url: str, *, every: int, how: str) -> Page:
    """Return a near copy: years moved on, and one sentence in `every` dropped or replaced by a shorter one."""
    counter = 0

    def edit(match: re.Match[str]) -> str:
        nonlocal counter
        counter += 1
        if counter % every:
            return match.group(0)
        return "" if how == "drop" else "この項目は後日加筆します。"

    head, body = page.markup.split("<body", 1)
    body = re.sub(r"(?<=。)[^<>。&]{18,}。", edit, body)
    body = re.sub(r"\b20(1\d|2[0-5])\b", lambda m: str(int(m.group(0)) + 1), body)
    return replace(page, url=url, markup=f"{head}<body{body}")


def write_warcs(japanese: list[Page], foreign: list[Page], fallback: list[Page], out: Path) -> list[Gold]:
    """Write the WARC files and return their gold."""
    files: list[list[tuple[bytes, Gold]]] = [[] for _ in range(5)]
    originals = _with_codecs(japanese)
    for number, page in enumerate(originals):
        files[number % 3].append(_kept(page))
    for number, page in enumerate(foreign):
        files[ONLY_FOREIGN if number % 2 else number // 2 % 3].append(_foreign(page))
    for number, page in enumerate(fallback):
        files[number].append(_foreign(page))
    for number, copy, source in _copies(originals):
        files[number].append(_copy(copy, source.url))
    for number, record, row in _odd_records():
        files[number].append((record, row))
    out.mkdir(parents=True, exist_ok=True)
    gold: list[Gold] = []
    for number, records in enumerate(files):
        name = f"docs-{number:05d}.warc.gz"
        records.sort(key=lambda entry: _draw(entry[1].key + entry[1].detail))
        members = [_member(_warcinfo(name))] + [_member(record) for record, _ in records]
        gold += [replace(g, file=f"warc/{name}") for _, g in records]
        if number == 2:
            record, row = _cut_off()
            member = _member(record)
            members.append(member[: len(member) * 6 // 10])
            gold.append(replace(row, file=f"warc/{name}"))
        (out / name).write_bytes(b"".join(members))
    return gold


def _with_codecs(pages: list[Page]) -> list[Page]:
    """Send some of the pages in the codecs Japanese sites used, a few with a wrong or no declaration."""
    changes: dict[int, tuple[str, str, str, bool]] = {
        3: ("cp932", "Shift_JIS", "Shift_JIS", True),
        8: ("cp932", "Shift_JIS", "", True),
        13: ("cp932", "Shift_JIS", "UTF-8", True),  # the header lies
        18: ("euc_jp", "EUC-JP", "EUC-JP", True),
        23: ("euc_jp", "EUC-JP", "", True),
        28: ("euc_jp", "", "", False),  # nothing is declared
        33: ("iso2022_jp", "ISO-2022-JP", "ISO-2022-JP", True),
        38: ("iso2022_jp", "ISO-2022-JP", "", True),
        43: ("utf-8", "", "", False),
        48: ("cp932", "", "", False),
    }
    return [
        reencoded(p, *changes[n][:3], declared=changes[n][3]) if n in changes else p
        for n, p in enumerate(pages)
    ]


def _copies(pages: list[Page]) -> Iterator[tuple[int, Page, Page]]:
    """Yield (file, copy, original); page n lies in file n % 3, so that some pairs span files."""
    plain = [
        (n, p) for n, p in enumerate(pages) if p.codec == "utf-8" and p.http_charset and _sentences(p) >= 24
    ]
    (a, exact), (b, mirrored), (c, dropped), (d, replaced), (e, same_file), (f, again) = plain[:6]
    yield a % 3, replace(exact, url=exact.url + "?ref=top"), exact
    yield (b + 1) % 3, replace(mirrored, url=_mirror(mirrored)), mirrored
    yield (c + 1) % 3, edited(dropped, _mirror(dropped), every=3, how="drop"), dropped
    yield (d + 2) % 3, edited(replaced, _mirror(replaced), every=3, how="replace"), replaced
    yield e % 3, edited(same_file, same_file.url + "?print=1", every=4, how="drop"), same_file
    copy = reencoded(replace(again, url=_mirror(again)), "euc_jp", "EUC-JP", "EUC-JP")
    yield (f + 1) % 3, copy, again  # other bytes, the same text


def _mirror(page: Page) -> str:
    return re.sub(r"^https?://", "http://mirror.example/", page.url)


def _kept(page: Page) -> tuple[bytes, Gold]:
    return _response(page), Gold(page.url, "", "keep", codec=page.codec)


def _copy(page: Page, of: str) -> tuple[bytes, Gold]:
    return _response(page), Gold(page.url, "", "dup-of", of, page.codec)


def _foreign(page: Page) -> tuple[bytes, Gold]:
    return _response(page), Gold(
        page.url, "", "drop-language", page.lang.replace("fallback", "en"), page.codec
    )


# ------------------------------------------------------------------------------------------------- WARC records


def _response(page: Page) -> bytes:
    body = page.markup.encode(page.codec, "xmlcharrefreplace")
    kind = "text/html" + (f"; charset={page.http_charset}" if page.http_charset else "")
    wrapped = int(_draw(page.url)[:2], 16) % 16
    if wrapped == 0:
        return _record(
            "response", page.url, _http(gzip.compress(body, mtime=0), kind, "Content-Encoding: gzip")
        )
    if wrapped == 1:
        chunks = [body[at : at + 4096] for at in range(0, len(body), 4096)]
        chunked = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in [*chunks, b""])
        return _record("response", page.url, _http(chunked, kind, "Transfer-Encoding: chunked", sized=False))
    return _record("response", page.url, _http(body, kind))


def _http(body: bytes, kind: str, *more: str, status: str = "200 OK", sized: bool = True) -> bytes:
    lines = [f"HTTP/1.1 {status}", "Server: Apache", *([f"Content-Type: {kind}"] if kind else []), *more]
    lines += [f"Content-Length: {len(body)}"] if sized else []
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def _record(kind: str, url: str, block: bytes, *more: str, block_type: str = "") -> bytes:
    digest = hashlib.sha256(f"{kind}\0{url}\0".encode() + block).hexdigest()
    mark = f"{digest[:8]}-{digest[8:12]}-5{digest[13:16]}-8{digest[17:20]}-{digest[20:32]}"
    message = "request" if kind == "request" else "response"
    date = DATE.format(minute=int(digest[32:34], 16) % 60, second=int(digest[34:36], 16) % 60)
    lines = [
        "WARC/1.0",
        f"WARC-Type: {kind}",
        f"WARC-Record-ID: <urn:uuid:{mark}>",
        f"WARC-Date: {date}",
        *([f"WARC-Target-URI: {url}"] if kind != "warcinfo" else [f"WARC-Filename: {url}"]),
        *more,
        f"Content-Type: {block_type or f'application/http; msgtype={message}'}",
        f"Content-Length: {len(block)}",
    ]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + block + b"\r\n\r\n"


def _warcinfo(name: str) -> bytes:
    # The name this file had when the committed bytes were made.
    fields = "software: kakehi manifests/quickstart/rebuild.py\r\nformat: WARC File Format 1.0\r\n"
    return _record("warcinfo", name, fields.encode(), block_type="application/warc-fields")


def _odd_records() -> Iterator[tuple[int, bytes, Gold]]:
    """Yield (file, record, gold) of what must not become a document."""
    host = "http://odd.example"
    page = f"<!DOCTYPE html><html lang='ja'><body><p>{'この行は文書になってはいけません。' * 20}</p></body></html>".encode()
    kind = "text/html; charset=UTF-8"
    png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01\x08\0\0\0\0" + zlib.crc32(b"x").to_bytes(
        4, "big"
    )
    rows: list[tuple[int, str, str, bytes, tuple[str, ...], str, str]] = [
        (0, "response", "/missing", _http(page, kind, status="404 Not Found"), (), "http_status", "404"),
        (
            0,
            "response",
            "/moved",
            _http(b"", kind, f"Location: {host}/", status="301 Moved"),
            (),
            "http_status",
            "301",
        ),
        (0, "response", "/logo.png", _http(png, "image/png"), (), "media_type", "image/png"),
        (1, "response", "/logo.html", _http(png, kind), (), "media_type", "image/png"),
        (1, "response", "/nothing", _http(b"", kind), (), "empty_body", ""),
        (1, "response", "/long", _http(page[:900], kind), ("WARC-Truncated: length",), "truncated", "length"),
        (
            0,
            "request",
            "/asked",
            b"GET /asked HTTP/1.1\r\nHost: odd.example\r\n\r\n",
            (),
            "record_type",
            "request",
        ),
        (
            2,
            "revisit",
            "/seen",
            _http(b"", kind),
            (f"WARC-Refers-To-Target-URI: {host}/",),
            "record_type",
            "revisit",
        ),
    ]
    for number, record_type, path, block, more, reason, note in rows:
        record = _record(record_type, host + path, block, *more)
        yield number, record, Gold(host + path, "", "reject", f"{reason}:{note}".rstrip(":"))


def _cut_off() -> tuple[bytes, Gold]:
    noise = "".join(_draw(f"noise {n}") for n in range(40))
    page = f"<!DOCTYPE html><html lang='ja'><body><p>途中で切れた記録です。{noise}</p></body></html>".encode()
    url = "http://odd.example/cut-off"
    return _record("response", url, _http(page, "text/html")), Gold(url, "", "reject", "broken_gzip")


def _member(record: bytes) -> bytes:
    return gzip.compress(record, compresslevel=9, mtime=0)


# -------------------------------------------------------------------------------------------- JSON lines, Parquet


def write_jsonl(pages: list[Page], in_warc: list[Page], path: Path) -> list[Gold]:
    """Write articles as plain text, one a near copy of a page in a WARC; two lines are faulty on purpose."""
    name = f"wiki/{path.name}"
    gold, lines = [], []
    for number, page in enumerate(pages):
        key = f"article-{number:04d}"
        row = {"id": key, "url": page.url, "title": page.title, "text": _text(page)}
        lines.append(json.dumps(row, ensure_ascii=False))
        gold.append(Gold(key, name, "keep"))
    longest = max((p for p in in_warc if 24 <= _sentences(p) <= 80), key=lambda p: _draw(p.url))
    copy = edited(longest, longest.url, every=3, how="drop")
    # As the pipeline reads the page, or extraction, not editing, would decide how near the copy is.
    row = {"id": "article-copy", "url": "", "title": copy.title, "text": main_text(copy.markup.encode()).text}
    lines.append(json.dumps(row, ensure_ascii=False))
    gold.append(Gold("article-copy", name, "dup-of", longest.url))
    lines.insert(7, '{"id": "article-broken", "title": "壊れた行", "text": "途中で')
    gold.append(Gold("line 8", name, "reject", "broken_json"))
    lines.insert(15, json.dumps({"id": "article-textless", "title": "本文なし"}, ensure_ascii=False))
    gold.append(Gold("article-textless", name, "reject", "missing_field:text"))
    path.parent.mkdir(parents=True, exist_ok=True)
    packed = zstandard.ZstdCompressor(level=19, write_checksum=True).compress(
        ("\n".join(lines) + "\n").encode()
    )
    path.write_bytes(packed)
    return gold


def write_parquet(pages: list[Page], in_jsonl: list[Page], path: Path) -> list[Gold]:
    """Write notes with other column names: one is the text of an article, one has no text."""
    name = f"notes/{path.name}"
    keys = [f"note-{number:03d}" for number in range(len(pages))]
    gold = [Gold(key, name, "keep") for key in keys]
    gold += [
        Gold("note-copy", name, "dup-of", "article-0003"),
        Gold("note-null", name, "reject", "missing_field:body"),
    ]
    table = pa.table(
        {
            "key": pa.array([*keys, "note-copy", "note-null"], pa.string()),
            "heading": pa.array([*(p.title for p in pages), in_jsonl[3].title, "空"], pa.string()),
            "body": pa.array([*(_text(p) for p in pages), _text(in_jsonl[3]), None], pa.string()),
        }
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, compression="zstd", compression_level=19, row_group_size=8)
    return gold


# ----------------------------------------------------------------------------------------------------- small parts


def write_sums(out: Path) -> None:
    """Write SHA256SUMS, with the libraries on which the packed bytes depend in its first line."""
    versions = (
        f"# zlib {zlib.ZLIB_RUNTIME_VERSION}, zstandard {zstandard.__version__}, pyarrow {pa.__version__}"
    )
    files = [*sorted(p for p in out.rglob("*-0*.*") if p.is_file()), out / "gold.tsv"]
    sums = [f"{hashlib.sha256(p.read_bytes()).hexdigest()}  {p.relative_to(out).as_posix()}" for p in files]
    (out / "SHA256SUMS").write_text("\n".join([versions, *sums]) + "\n", encoding="utf-8")


def compare(rebuilt: Path, kept: Path) -> int:
    """Print for every file whether its bytes, or at least its content, are the same; return how many differ."""
    differing = 0
    for line in (rebuilt / "SHA256SUMS").read_text(encoding="utf-8").splitlines()[1:]:
        name = line.split("  ", 1)[1]
        one, other = rebuilt / name, kept / name
        same = one.read_bytes() == other.read_bytes()
        alike = same or _content(one) == _content(other)
        differing += not alike
        print(f"{name}: {'same bytes' if same else 'same content' if alike else 'DIFFERS'}")
    return differing


def _content(path: Path) -> object:
    readers: dict[str, Callable[[bytes], object]] = {
        ".gz": _inflated,
        ".zst": zstandard.ZstdDecompressor().decompress,
        ".parquet": lambda packed: pq.read_table(pa.BufferReader(packed)).to_pydict(),
    }
    return readers.get(path.suffix, bytes)(path.read_bytes())


def _inflated(packed: bytes) -> bytes:
    """Inflate every whole member; what a cut-off one still holds depends on the zlib, so it is left out."""
    out = []
    while packed:
        member = zlib.decompressobj(wbits=31)
        plain = member.decompress(packed)
        packed = member.unused_data
        out.append(plain if member.eof else b"cut off")
    return b"".join(out)


def _text(page: Page) -> str:
    return str(extract_plain_text(page.markup, main_content=True))


def _sentences(page: Page) -> int:
    return len(re.findall(r"(?<=。)[^<>。&]{18,}。", page.markup))


def _kana_kanji(text: str) -> int:
    return len(re.findall(r"[\u3041-\u30ff\u4e00-\u9fff]", text))


def _kanji_share(text: str) -> float:
    return len(re.findall(r"[\u4e00-\u9fff]", text)) / max(len(text), 1)


def _draw(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _demand(what: str, got: str, wanted: str) -> None:
    if got != wanted:
        sys.exit(f"{what}: sha256 {got}, wanted {wanted}\nanother version of the package gives other files")


def _run(command: list[str], folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "--cache", type=Path, help="folder of the packages' files; fetched into it where missing"
    )
    parser.add_argument(
        "--check", action="store_true", help="compare a rebuild with what lies here, write nothing"
    )
    return parser.parse_args()


if __name__ == "__main__":
    main()
