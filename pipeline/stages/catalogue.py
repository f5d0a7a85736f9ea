"""The stages, one verb a file, in the order a document meets them; the manifest's keys are these names."""

from __future__ import annotations

from typing import Final

from kakehi.pipeline.stages.archive import STAGE as ARCHIVE
from kakehi.pipeline.stages.crawl import STAGE as CRAWL
from kakehi.pipeline.stages.dedupe.against import STAGE as AGAINST
from kakehi.pipeline.stages.dedupe.compare import STAGE as COMPARE
from kakehi.pipeline.stages.dedupe.exact import STAGE as EXACT
from kakehi.pipeline.stages.dedupe.keep import STAGE as KEEP
from kakehi.pipeline.stages.dedupe.pair import STAGE as PAIR
from kakehi.pipeline.stages.dedupe.remember import STAGE as REMEMBER
from kakehi.pipeline.stages.dedupe.sign import STAGE as SIGN
from kakehi.pipeline.stages.encode import STAGE as ENCODE
from kakehi.pipeline.stages.export import STAGE as EXPORT
from kakehi.pipeline.stages.extract import STAGE as EXTRACT
from kakehi.pipeline.stages.ingest import STAGE as INGEST
from kakehi.pipeline.stages.measure import STAGE as MEASURE
from kakehi.pipeline.stages.pack.index import STAGE as INDEX
from kakehi.pipeline.stages.pack.pack import STAGE as PACK
from kakehi.pipeline.stages.report.report import STAGE as REPORT
from kakehi.pipeline.stages.screen import STAGE as SCREEN
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.stages.train import STAGE as TRAIN
from kakehi.pipeline.stages.withdraw import STAGE as WITHDRAW

STAGES: Final[tuple[Stage, ...]] = (
    ARCHIVE,
    CRAWL,
    EXTRACT,
    INGEST,
    MEASURE,
    SCREEN,
    WITHDRAW,
    EXACT,
    SIGN,
    PAIR,
    COMPARE,
    AGAINST,
    KEEP,
    REMEMBER,
    TRAIN,
    ENCODE,
    PACK,
    INDEX,
    EXPORT,
    REPORT,
)

#: Manifest keys that stand for several stages; a parameter goes to every one that has it.
TOGETHER: Final[dict[str, tuple[Stage, ...]]] = {"dedupe": (EXACT, SIGN, PAIR, COMPARE, AGAINST, KEEP)}
