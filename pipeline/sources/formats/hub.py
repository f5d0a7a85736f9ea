"""Read a Hugging Face dataset: from the hub at a pinned revision, from files, or saved on disk."""

from __future__ import annotations

import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kakehi.pipeline.sources.formats.records import (
    Reading,
    Record,
    Reject,
    checked_fields,
    from_row,
    listed_keys,
    nearest_key,
)

BUILDERS = ("arrow", "csv", "json", "parquet", "text")  # read local files; need no revision

_COMMIT = re.compile(r"[0-9a-f]{40}")


def read(
    dataset: str,
    *,
    fields: Mapping[str, str],
    reading: Reading = Reading(),  # noqa: B008 - its counts are then nobody's
    split: str = "train",
    revision: str | None = None,
    config: str | None = None,
    data_files: str | Sequence[str] | None = None,
    root: Path | None = None,
) -> Iterator[Record | Reject]:
    """Yield the rows of one split in order; offsets are row numbers, lengths are 1.

    Args:
        dataset: a folder written by `save_to_disk`, a builder of `datasets` with `data_files`, or a name on the hub.
        fields: our field to the dataset's column, or a path into it; `text` is required.
        reading: where fields are counted.
        split: the split.
        revision: commit of a hub dataset, 40 hexadecimal digits; what is not on the hub has none.
        config: configuration of a hub dataset.
        data_files: local files for a builder.
        root: folder that local names start from, or None for the working folder.

    Raises:
        ValueError: the dataset is not pinned, or lacks the split or a column.
    """
    mapped = checked_fields(fields, where=dataset, counts=reading.counts)
    files = [data_files] if isinstance(data_files, str) else list(data_files or ())
    rows = _opened(dataset, split, revision, config, files, root or Path())
    columns = rows.column_names
    for field, path in mapped.paths.items() if columns is not None else ():
        if field not in mapped.optional and not (path in columns or path.split(".")[0] in columns):
            raise ValueError(
                f"{dataset}: column {path!r} (for {field}): found none, wanted one; "
                f"columns: {listed_keys(columns)}{nearest_key(path, columns)}"
            )
    for number, row in enumerate(_sound(rows, dataset)):
        yield from_row(row, mapped, offset=number, length=1)


def _sound(rows: Iterable[Any], dataset: str) -> Iterator[Any]:
    """Yield rows; what a builder meets in a broken file is told in our words."""
    import datasets  # noqa: PLC0415 - takes a second to import

    read = 0
    try:
        for row in rows:
            yield row
            read += 1
    except (OSError, ValueError, EOFError, zlib.error, datasets.exceptions.DatasetsError) as error:
        raise ValueError(f"{dataset}: can't be read on behind {read:,} records: {error}") from error


def is_local(dataset: str, root: Path) -> bool:
    """Say whether a dataset is a folder or read by a builder from files, and so has no revision."""
    return dataset in BUILDERS or (root / dataset).is_dir()


def check_pinned(dataset: str, revision: str | None) -> None:
    """Refuse a hub dataset whose revision may move.

    Raises:
        ValueError: with the way out on its own line.
    """
    if revision is None or not _COMMIT.fullmatch(revision):
        raise ValueError(
            f"{dataset}: revision {revision!r}, wanted a commit of 40 hexadecimal digits\n"
            "hint: branches and tags move; the dataset's history on the hub shows its commits"
        )


def _opened(
    dataset: str, split: str, revision: str | None, config: str | None, files: list[str], root: Path
) -> Any:
    if dataset in BUILDERS:
        return _built(dataset, split, [os.fspath(root / name) for name in files])
    if (root / dataset).is_dir():
        return _saved(root / dataset, split)
    check_pinned(dataset, revision)
    import datasets  # noqa: PLC0415 - takes a second to import

    try:
        return datasets.load_dataset(dataset, config, split=split, revision=revision, streaming=True)
    except (OSError, ValueError) as error:
        raise ValueError(f"{dataset}: can't be opened: {error}") from error


def _saved(folder: Path, split: str) -> Any:
    """Open what `save_to_disk` wrote: a dataset, or a dictionary of splits."""
    import datasets  # noqa: PLC0415 - takes a second to import

    try:
        saved = datasets.load_from_disk(str(folder))
    except (OSError, ValueError) as error:
        raise ValueError(f"{folder}: is no dataset written by save_to_disk: {error}") from error
    if not isinstance(saved, datasets.DatasetDict):
        return saved
    if split not in saved:
        raise ValueError(f"{folder}: split {split!r}: found none, wanted one of {', '.join(sorted(saved))}")
    return saved[split]


def _built(builder: str, split: str, files: list[str]) -> Any:
    import datasets  # noqa: PLC0415 - takes a second to import

    if not files:
        raise ValueError(f"{builder}: data_files is empty, wanted the files that the builder reads")
    try:
        return datasets.load_dataset(builder, data_files=files, split=split, streaming=True)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise ValueError(f"{builder}: can't be opened: {error}") from error
