"""Lead back from training to documents: tokens, samples and steps of a packed prefix; and from a document to them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from kakehi.arrays import Int64N
from kakehi.pipeline.errors import DataError
from kakehi.pipeline.inspection.packed_manifest import read_packed_manifest
from kakehi.pipeline.sources.formats.records import host_of
from kakehi.pipeline.stages.pack.packed_manifest import MANIFEST
from kakehi.pipeline.stages.withdrawals import Withdrawals
from kakehi.tokenizer.packed import checking, provenance
from kakehi.tokenizer.packed.lanes import Lanes
from kakehi.tokenizer.packed.stock_cache import check_stock, find_order
from kakehi.tokenizer.packed.stock_job import CORES


@dataclass(frozen=True)
class Packed:
    """A packed prefix, opened for questions.

    Args:
        prefix: path without `.bin`.
        about: what `manifest.json` beside it says.
    """

    prefix: Path
    about: dict[str, Any]

    @property
    def layout(self) -> Lanes:
        """The layout of the binary's rows: lanes or stock order."""
        return checking.layout_of(self.about["binaries"][self.prefix.name])

    def token(self, number: int) -> dict[str, Any]:
        """Say of which document a token is, and where in it.

        Raises:
            DataError: it is padding, or behind the end.
        """
        with self._read():
            piece = provenance.lookup(self._pieces(), number)
            if piece is not None:
                return self._told(piece)
        if (behind := self._behind()) and number >= behind[1]:
            found = behind[0].token(number - behind[1])
            return {**found, "first_token": found["first_token"] + behind[1]}
        raise DataError(
            f"{self.prefix}: token: got {number}, wanted one of a document: this one is padding or behind the end"
        )

    def samples(self, numbers: Int64N, cache: Path | None = None) -> list[dict[str, Any]]:
        """Say which row each sample is, and which documents are in it.

        Args:
            numbers: of samples, from 0.
            cache: folder of index maps; needed for stock layouts, whose order is Megatron's.
        """
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < self.layout.samples:
            raise DataError(
                f"{self.prefix}: sample: got {numbers.min()} to {numbers.max()}, wanted 0 to {self.layout.samples - 1}"
            )
        size = self.about["sequence_tokens"]
        with self._read():
            checking.refuse_rows(self.prefix, self.about)
            return [
                {
                    "sample": int(number),
                    "row": int(row),
                    "first_token": int(row) * size,
                    "documents": [
                        self._told(p) for p in provenance.within(self._pieces(), int(row) * size, size)
                    ],
                }
                for number, row in zip(numbers, self._rows(numbers, cache), strict=True)
            ]

    def documents(self, wanted: str) -> list[dict[str, Any]]:
        """Say where every token of a document is, in every epoch.

        Args:
            wanted: an id of 32 hexadecimal digits, or a URL.

        Raises:
            DataError: there is none such.
        """
        column, value = ("url", wanted) if "://" in wanted else ("id", _id(wanted))
        with self._read():
            found = self.places_of(dict(provenance.find_documents(self._documents(), column, value)))
        if not found:
            raise DataError(
                f"{self.prefix}: no document {wanted!r} was packed",
                hint="name an id of 32 hexadecimal digits or a whole URL; kakehi explain says what became of others",
            )
        return found

    def withdrawn(self, withdrawals: Withdrawals) -> list[dict[str, Any]]:
        """Say where every token of every document is that is on a list, with the entry it meets."""
        entries = dict[int, str]()
        with self._read():
            documents = self._documents()
            for group in range(documents.num_row_groups):
                named = documents.read_row_group(group, columns=["id", "url"]).to_pylist()
                for number, row in enumerate(named, group * provenance.GROUP_ROWS):
                    if met := withdrawals.meets(row["id"], row["url"], host_of(row["url"])):
                        entries[number] = met.entry
            found = self.places_of({number: provenance.document(documents, number) for number in entries})
        return [{"entry": entry, **one} for entry, one in zip(entries.values(), found, strict=True)]

    def places_of(self, rows: Mapping[int, dict[str, Any]]) -> list[dict[str, Any]]:
        """Say of documents, by their numbers, where their tokens are."""
        pieces = provenance.pieces_of(self._pieces(), rows)
        found = [{**_readable(row), "pieces": self._placed(pieces[number])} for number, row in rows.items()]
        if behind := self._behind():
            for one, other in zip(found, behind[0].places_of(rows), strict=True):
                for piece in other["pieces"]:
                    first = piece["first_token"] + behind[1]
                    one["pieces"].append({**piece, "first_token": first, "sample": None})
        return found

    def _behind(self) -> tuple[Packed, int] | None:
        """Give the binary whose rows lie behind this one's own, if any does, and the token at which they begin."""
        told = self.about["binaries"][self.prefix.name].get("behind")
        if told is None:
            return None
        other = replace(self, prefix=self.prefix.with_name(told["binary"]))
        return other, self.layout.tokens(self.about["sequence_tokens"])

    def _placed(self, pieces: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Add the sample that each piece is in, where the order of samples is ours."""
        size = self.about["sequence_tokens"]
        samples = self.layout.sample_of(
            np.array([piece["first_token"] // size for piece in pieces], np.int64)
        )
        lanes = (
            self.about["layout"] == "lanes" or self.about["binaries"][self.prefix.name]["for"] == "validation"
        )
        for piece, sample in zip(pieces, samples, strict=True):
            piece.pop("document")
            if lanes:
                piece["sample"] = int(sample) if sample < self.layout.samples else None
        return pieces

    def _rows(self, samples: Int64N, cache: Path | None) -> Int64N:
        if self.about["layout"] == "lanes" or self.about["binaries"][self.prefix.name]["for"] == "validation":
            return self.layout.row_of(samples)
        found = find_order(cache, self.prefix.name) if cache else None
        if found is None:
            raise DataError(
                f"{self.prefix}: its samples are in Megatron's own order, which its index maps say",
                hint="name their folder: --maps work/index/ADDRESS/cache, made with reader core or fork",
            )
        order, rows = map(checking.open_array, found)
        if self.about.get("sequences") == "pieces":  # whose order holds the rows themselves
            return np.asarray(order[samples], np.int64)
        return np.asarray(rows[order[samples]], np.int64)

    def _told(self, piece: dict[str, Any]) -> dict[str, Any]:
        row = provenance.document(self._documents(), piece.pop("document"))
        row.pop("tokens")
        return {**_readable(row), **piece}

    @contextmanager
    def _read(self) -> Iterator[None]:
        """Make what no table or map answers an error of ours."""
        try:
            yield
        except provenance.DAMAGE as error:
            raise DataError(
                f"{self.prefix}: {error or type(error).__name__}",
                hint=f"kakehi check {self.prefix} says whether its files are whole",
            ) from error

    def _pieces(self) -> pq.ParquetFile:
        return pq.ParquetFile(provenance.path_beside(self.prefix))

    def _documents(self) -> pq.ParquetFile:
        return pq.ParquetFile(self.prefix.with_name(f"{self.about['corpus']}.documents.parquet"))


def open_packed(prefix: Path) -> Packed:
    """Open a packed prefix.

    Raises:
        DataError: there is none.
    """
    path = prefix.with_name(MANIFEST)
    try:
        about = read_packed_manifest(path)
    except FileNotFoundError as error:
        raise DataError(
            f"{prefix}: there is no {MANIFEST} beside it", hint="PREFIX is the path of a .bin without .bin"
        ) from error
    except ValueError as error:
        said = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise DataError(said, hint="run again: it is made anew") from error
    if prefix.name not in about["binaries"]:
        raise DataError(f"{prefix}: {MANIFEST} beside it knows {sorted(about['binaries'])} only")
    return Packed(prefix, about)


def faults(packed: Packed, cache: Path | None) -> Iterator[str]:
    """Yield every fault of a prefix, and of its maps where their folder is given."""
    yield from checking.check_binary(packed.prefix, packed.about)
    try:
        checking.refuse_rows(packed.prefix, packed.about)
    except (ValueError, OSError) as error:
        yield str(error)
        return
    if cache is not None:
        yield from checking.check_maps(cache, packed.prefix, packed.about)
        asked = _asked_tokenizer(cache)
        own, named = asked.get("unique_identifiers"), asked.get("core")
        told = [core for core in CORES if core in named] if isinstance(named, list) else CORES
        cores = told if asked.get("type") else ()
        yield from check_stock(cache, packed.prefix, own if isinstance(own, dict) else None, cores)


def _asked_tokenizer(cache: Path) -> Mapping[str, Any]:
    """Give what `index` was told of the tokenizer, as its recipe beside the maps has it; nothing where there is none."""
    recipe = cache.parent / "recipe.json"
    try:
        asked = json.loads(recipe.read_bytes())["params"]["tokenizer"]
    except (ValueError, KeyError, TypeError, RecursionError, OSError):
        return {}
    return asked if isinstance(asked, dict) else {}


def _id(wanted: str) -> bytes:
    try:
        found = bytes.fromhex(wanted)
    except ValueError:
        found = b""
    if len(found) != 16:
        raise DataError(f"{wanted!r}: is no URL and no id", hint="an id has 32 hexadecimal digits")
    return found


def _readable(row: dict[str, Any]) -> dict[str, Any]:
    return {**row, "id": row["id"].hex()}
