"""withdraw: object to what somebody does not want used: by a list, at any time, or by what a record itself says."""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from kakehi.filters.page.consent import ALL_SOURCES, PageSource, forbidding
from kakehi.pipeline.stages.stage import FilePath, Stage
from kakehi.pipeline.stages.withdrawals import Withdrawals, read_withdrawals

#: Verdict, before the kind of the entry that is met, or the place where the record says so.
WITHDRAW: Final = "withdraw:"

WITHDRAWN: Final = pa.schema(
    [
        pa.field("verdict", pa.string()),
        pa.field("entry", pa.string()),  # of the list, or the record's own words
    ]
)


def withdraw(
    batch: pa.RecordBatch,
    *,
    listed: FilePath | None = None,
    honour: tuple[PageSource, ...] = ALL_SOURCES,
) -> pa.RecordBatch:
    """Object to documents that are on a list, or whose record says that it is not to be stored or mined.

    Args:
        batch: documents.
        listed: file of hosts, URLs and ids, one a line.
        honour: whose words count, of those that came with the record.
    """
    withdrawals = read_withdrawals(listed) if listed else None
    names = ("id", "url", "host", "consent")
    columns = (batch.column(name).to_pylist() for name in names)
    found = [_objection(withdrawals, frozenset(honour), *row) for row in zip(*columns, strict=True)]
    verdicts, entries = ([row and row[place] for row in found] for place in (0, 1))
    return pa.RecordBatch.from_arrays(
        [pa.array(verdicts, pa.string()), pa.array(entries, pa.string())], schema=WITHDRAWN
    )


def _objection(
    withdrawals: Withdrawals | None,
    honour: frozenset[str],
    document: bytes,
    url: str | None,
    host: str | None,
    consent: list[str] | None,
) -> tuple[str, str] | None:
    """Give verdict and evidence, or None; the list speaks first."""
    if withdrawals and (met := withdrawals.meets(document, url, host)):
        return f"{WITHDRAW}{met.kind}", met.entry
    for words in consent or ():
        source = forbidding(words)
        if source in honour:
            return f"{WITHDRAW}{source}", words
    return None


STAGE = Stage(
    run=withdraw,
    shape="rows",
    reads=("documents",),
    writes="verdict",
    version=1,
    columns=("id", "url", "host", "consent", "characters"),
)
