"""Build a corpus of manuals, as gzip WARC files, out of documentation packages of Debian or Ubuntu.

    python3 bench/corpus.py --size medium            # Japanese pages only, about 150 MB of HTML
    python3 bench/corpus.py --size medium --mixed    # all languages: Japanese is a minority, as on the web

Packages are downloaded with `apt-get download` and unpacked with `dpkg -x` into `bench/corpus/packages`; none is
installed, none needs root. The pages are under GPL, GFDL and other licences and stay on this machine: the folder is
ignored by git. Hosts (one below `.example` a package), dates and headers are made up. The same package versions and
options give the same records. These are manuals, not the web: no news, no forum, no advertisement.

Needs Python 3.11, apt and dpkg; nothing else.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote

HERE = Path(__file__).resolve().parent / "corpus"
SHARD_BYTES = 64 << 20  # unpacked records in a file
FIRST_DATE = datetime(2026, 3, 1, tzinfo=UTC)
HTML_NAME = re.compile(r"\.x?html?(\.[A-Za-z][\w.-]*)?(\.gz)?$")
LANGUAGE = re.compile(r"(?:^|[/.])([a-z]{2}(?:[-_][A-Za-z]{2})?)(?=[/.])")

# Smallest first. A package that this release doesn't have is left out and named.
SMALL = ("apache2-doc", "groonga-doc", "libreoffice-help-ja")
MEDIUM = (
    *SMALL,
    "debian-edu-doc-ja",
    "debian-faq-ja",
    "debian-handbook",
    "debian-reference-ja",
    "developers-reference-ja",
    "eb-doc",
    "gimp-help-ja",
    "installation-guide-amd64",
    "installation-guide-arm64",  # the same book but for some paragraphs: near duplicates by nature
    "lilypond-doc-html-ja",
    "maint-guide-ja",
)
OTHERS = ("libreoffice-help-en-us", "libreoffice-help-ko", "libreoffice-help-zh-cn")
JAPANESE_ONLY = ("eb-doc",)  # and whatever ends in -ja


@dataclass(frozen=True, kw_only=True)
class Page:
    """One HTML file of a package."""

    package: str
    name: str
    path: Path
    language: str

    @property
    def url(self) -> str:
        """Where a crawler would have met it."""
        return f"http://{self.package}.example/{quote(self.name.removesuffix('.gz'))}"

    def read(self) -> bytes:
        """Give the bytes as a server would send them."""
        content = self.path.read_bytes()
        return gzip.decompress(content) if self.path.suffix == ".gz" else content


def main() -> int:
    """Build the corpus and say what is in it."""
    parser = argparse.ArgumentParser(description=str(__doc__).partition("\n")[0])
    parser.add_argument("--size", choices=("small", "medium"), default="medium")
    parser.add_argument("--mixed", action="store_true", help="pages of all languages, not Japanese alone")
    parser.add_argument("--out", type=Path, default=HERE)
    parser.add_argument("--cache", type=Path, help="downloaded and unpacked packages (default: OUT/packages)")
    options = parser.parse_args()
    cache = options.cache or options.out / "packages"
    print(draw(build(options.out, cache, size=options.size, mixed=options.mixed)))
    return 0


def build(out: Path, cache: Path, *, size: str, mixed: bool) -> dict[str, object]:
    """Fetch the packages, write the WARC files and `about.json`, and return what the latter says."""
    names = (SMALL if size == "small" else MEDIUM) + (OTHERS if mixed else ())
    versions, missing = fetch(names, cache)
    pages = [
        page
        for name in sorted(versions)
        for page in find_pages(name, cache)
        if mixed or page.language == "ja"
    ]
    if not pages:
        raise SystemExit("no page found: are documentation packages stripped on this machine?")
    pages.sort(key=lambda page: hashlib.sha256(page.url.encode()).digest())  # as mixed as a crawl
    out.mkdir(parents=True, exist_ok=True)
    for old in out.glob("*.warc.gz"):
        old.unlink()
    html = write(out, pages)
    languages = Counter(page.language for page in pages)
    about = {
        "size": size,
        "mixed": mixed,
        "packages": versions,
        "missing": missing,
        "pages": len(pages),
        "html_bytes": html,
        "languages": dict(languages.most_common()),
        "files": {path.name: path.stat().st_size for path in sorted(out.glob("*.warc.gz"))},
    }
    (out / "about.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")
    return about


def draw(about: dict[str, object]) -> str:
    """Write what a corpus holds as lines of text."""
    versions, languages, files = about["packages"], about["languages"], about["files"]
    assert isinstance(versions, dict)  # noqa: S101 - of our own making; for the type checker
    assert isinstance(languages, dict)  # noqa: S101
    assert isinstance(files, dict)  # noqa: S101
    lines = [f"{name} {version}" for name, version in versions.items()]
    lines += [f"{name}: not in this release, left out" for name in about["missing"]]  # type: ignore[attr-defined]
    top = ", ".join(f"{name} {count:,}" for name, count in list(languages.items())[:6])
    lines.append(f"{about['pages']:,} pages ({top}), {int(str(about['html_bytes'])) / 1e6:.1f} MB of HTML")
    lines.append(f"{len(files)} files, {sum(files.values()) / 1e6:.1f} MB")
    return "\n".join(lines)


def fetch(names: tuple[str, ...], cache: Path) -> tuple[dict[str, str], list[str]]:
    """Download and unpack packages that are not there yet.

    Returns:
        versions by package, and the packages that apt doesn't know.
    """
    for tool in ("apt-get", "apt-cache", "dpkg"):
        if not shutil.which(tool):
            raise SystemExit(f"{tool} is missing: this corpus is built on Debian or Ubuntu")
    cache.mkdir(parents=True, exist_ok=True)
    versions = {name: version for name in names if (version := _candidate(name))}
    missing = [name for name in names if name not in versions]
    if len(missing) == len(names):
        raise SystemExit("apt knows none of the packages: run `apt-get update` first")
    for name, version in versions.items():
        stamp = cache / name / ".version"
        if stamp.exists() and stamp.read_text(encoding="utf-8") == version:
            continue
        print(f"fetching {name} {version}", file=sys.stderr)
        _unpack(name, version, cache)
        stamp.write_text(version, encoding="utf-8")
    return versions, missing


def _candidate(name: str) -> str | None:
    """Ask which version apt would download, if any."""
    found = _apt("apt-cache", "policy", name).stdout
    version = re.search(r"^ +Candidate: (\S+)", found, re.MULTILINE)
    return version[1] if version and version[1] != "(none)" else None


def _unpack(name: str, version: str, cache: Path) -> None:
    for old in cache.glob(f"{name}_*.deb"):
        old.unlink()
    # As root, apt would download as user _apt, who may not write here.
    got = _apt("apt-get", "-q", "-o", "APT::Sandbox::User=root", "download", f"{name}={version}", cwd=cache)
    if got.returncode:
        raise SystemExit(
            f"apt-get download {name} failed (run `apt-get update` first?)\n{got.stderr.strip()}"
        )
    [package] = cache.glob(f"{name}_*.deb")
    shutil.rmtree(cache / name, ignore_errors=True)
    subprocess.run(["dpkg", "-x", str(package), str(cache / name)], check=True)
    package.unlink()


def _apt(*command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=cwd, env={**os.environ, "LC_ALL": "C"}, text=True, capture_output=True, check=False
    )


def find_pages(package: str, cache: Path) -> Iterator[Page]:
    """Walk the HTML files of a package; links (untranslated pages, mostly) are passed over."""
    root = cache / package / "usr/share"
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if HTML_NAME.search(name) and path.is_file() and not path.is_symlink():
            yield Page(package=package, name=name, path=path, language=_language(package, name))


def _language(package: str, name: str) -> str:
    """Read a page's language off its package's or its folder's name; no gold label."""
    if package.endswith("-ja") or package in JAPANESE_ONLY:
        return "ja"
    if package.startswith("libreoffice-help-"):
        return package.removeprefix("libreoffice-help-")
    found = [code.lower().replace("_", "-") for code in LANGUAGE.findall(name)]
    return next((code.removesuffix("-jp") for code in found), "en")


def write(out: Path, pages: list[Page]) -> int:
    """Write pages into files of about SHARD_BYTES, one gzip member a record; return the bytes of HTML."""
    number, filled, total = 0, 0, 0
    file = (out / "manuals-000.warc.gz").open("wb")
    for index, page in enumerate(pages):
        if filled >= SHARD_BYTES:
            file.close()
            number, filled = number + 1, 0
            file = (out / f"manuals-{number:03}.warc.gz").open("wb")
        body = page.read()
        member = record(page.url, body, FIRST_DATE + timedelta(seconds=index))
        file.write(gzip.compress(member, 6, mtime=0))
        filled, total = filled + len(member), total + len(body)
    file.close()
    return total


def record(url: str, body: bytes, fetched: datetime) -> bytes:
    """Make one WARC response record."""
    http = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: %d\r\n\r\n" % len(body)
    digest = hashlib.sha256(url.encode() + body).digest()
    head = (
        "WARC/1.0\r\nWARC-Type: response\r\n"
        f"WARC-Record-ID: <urn:uuid:{uuid.UUID(bytes=digest[:16])}>\r\n"
        f"WARC-Date: {fetched:%Y-%m-%dT%H:%M:%SZ}\r\nWARC-Target-URI: {url}\r\n"
        f"Content-Type: application/http; msgtype=response\r\nContent-Length: {len(http) + len(body)}\r\n\r\n"
    )
    return head.encode() + http + body + b"\r\n\r\n"


if __name__ == "__main__":
    sys.exit(main())
