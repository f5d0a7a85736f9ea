"""archive: files of a web archive to WARC files of one's own."""

from __future__ import annotations

import gzip
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any
from urllib.parse import unquote, urlsplit

from pydantic import BeforeValidator, Field

from kakehi.pipeline.errors import ManifestError
from kakehi.pipeline.shards import Shard, find_files, piece
from kakehi.pipeline.stage import Counts, Fetch, Stage
from kakehi.pipeline.store import file_digest


def _listed(value: object) -> object:
    return [value] if isinstance(value, str) else value


def archive(
    asked: Fetch,
    *,
    paths: Annotated[list[str], BeforeValidator(_listed), Field(min_length=1)],
    base: str,
) -> Counts:
    """Copy whole WARC or WET files of an archive.

    Args:
        asked: one file of paths.
        paths: files that list the archive's files, a line each (`warc.paths.gz`); each pattern is a piece of its own.
        base: where these names start: `file:///mnt/archive/`.
    """
    del paths  # the piece has its files
    root = Path(unquote(urlsplit(base).path))
    names = [name for file in asked.piece.files for name in _names(file.path)]
    for number, name in enumerate(names):
        shutil.copyfile(root / _safe(name), asked.output(f"{number:05}.warc.gz"))
        asked.tell(f"{number + 1:,} of {len(names):,} files")
    return {"asked": len(names), "files": len(names)}


def _names(path: Path) -> list[str]:
    opened = gzip.open if path.suffix == ".gz" else Path.open
    with opened(path, "rt", encoding="utf-8") as file:
        return [line.strip() for line in file if line.strip()]


def _safe(name: str) -> str:
    """Refuse a name that would lead out of the archive."""
    place = PurePosixPath(name)
    if place.is_absolute() or ".." in place.parts or ":" in name:
        raise ValueError(f"got the name {name!r}, wanted one below the archive's root")
    return name


def _pieces(parameters: Mapping[str, Any], source: str, root: Path, limit: int | None) -> list[Shard]:
    """Make a piece of each pattern: one more brings its own files and fetches none of the others again.

    A list of names is known by its content, so that a copied or touched one fetches nothing anew.
    """
    if urlsplit(parameters["base"]).scheme != "file":
        raise ManifestError(
            f"source {source!r}: archive.base: got {parameters['base']!r}, wanted a file: URL"
        )
    found = []
    for pattern in parameters["paths"]:
        files = find_files([pattern], root)
        identity = sorted(file_digest(file.path) for file in files)
        found.append(piece(source, "paths", identity, limit=limit, files=files))
    return found


def _cost(asked: Shard, parameters: Mapping[str, Any]) -> Iterator[str]:
    del parameters
    yield f"{sum(len(_names(file.path)) for file in asked.files):,} files, whole"


STAGE = Stage(
    run=archive, shape="fetch", writes="warcs", version=1, aside=("paths", "base"), pieces=_pieces, cost=_cost
)
