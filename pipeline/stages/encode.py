"""encode: kept text to token ids, the end mark after each document."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path

import numpy as np
import pyarrow as pa

from kakehi.pipeline.errors import DataError, ParameterError
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.stages.tokenizer_refusals import refuse_encode
from kakehi.pipeline.storage.schemas import TOKENS, TokenizedBy, packed_ids
from kakehi.tokenizer.encoding import Encoder, kind_of, open_encoder
from kakehi.tokenizer.packed.indexed import insert_eod


def encode(
    batch: pa.RecordBatch,
    tokenizer: Path,
    /,
    *,
    eod: str,
    bos: str | None = None,
    accept_loss: bool = False,  # noqa: ARG001 - the run looks at it, once a tokenizer is there
) -> pa.RecordBatch:
    """Encode the kept documents of a batch.

    Args:
        batch: `text` and `kept`.
        tokenizer: folder of a trained or adopted tokenizer.
        eod: the piece that ends every document; no default, since users of one model differ (`</s>`, `<EOD>`).
        bos: a piece that begins every document, or null.
        accept_loss: go on where over 1 % of tokens are unknown, or of sampled documents do not come back.

    Returns:
        `ids`, each document's as bytes of little-endian uint16 or int32 (`indexed.token_dtype`), null where it is not
        kept. `length`, their number, 0 there. The schema names the tokenizer's digest, the id of `eod` and that of
        unknown text.
    """
    encoder = load_encoder(tokenizer)
    end, begin = _piece(encoder, "eod", eod), None if bos is None else _piece(encoder, "bos", bos)
    kept = batch.column("kept").to_numpy(zero_copy_only=False)
    texts = batch.column("text") if kept.all() else batch.column("text").filter(batch.column("kept"))
    marks = [end] if begin is None else [end, begin]
    ids, lengths = insert_eod(*encoder.encode(texts, marks), end, begin)
    every = np.zeros(batch.num_rows, np.int64)
    every[kept] = lengths
    unknown = -1 if encoder.unknown_id is None else encoder.unknown_id
    schema = TokenizedBy(encoder.digest, end, unknown).write_to(TOKENS)
    return pa.RecordBatch.from_arrays([packed_ids(ids, every, kept), pa.array(every)], schema=schema)


def load_encoder(folder: Path) -> Encoder:
    """Open the tokenizer in a folder, once a process.

    Raises:
        DataError: it is another than the folder's receipt says.
    """
    path = tokenizer_path(folder)
    return _open_encoder(path, path.stat().st_mtime_ns)


def tokenizer_path(folder: Path) -> Path:
    """Name the file that encodes: a `tokenizer.json` beside a SentencePiece model is for others."""
    model = folder / "tokenizer.model"
    return model if model.exists() else folder / "tokenizer.json"


@lru_cache(maxsize=4)
def _open_encoder(path: Path, _mtime_ns: int) -> Encoder:
    encoder = open_encoder(path.read_bytes(), kind_of(path))
    receipt = path.with_name("receipt.json")
    outputs = json.loads(receipt.read_bytes())["outputs"] if receipt.exists() else []
    wanted = [output["sha256"] for output in outputs if output["name"] == path.name]
    if wanted and wanted != [encoder.digest]:
        raise DataError(
            f"{path}: got sha256 {encoder.digest}, wanted {wanted[0]}, as its receipt says",
            hint="put the tokenizer back, or remove it and run again: it is made anew",
        )
    return encoder


def _piece(encoder: Encoder, parameter: str, piece: str) -> int:
    try:
        return encoder.piece_id(piece)
    except ValueError as error:
        said, _, close = str(error).partition("\nhint: ")
        hint = close or "name a piece the tokenizer has"
        raise ParameterError(f"encode.{parameter}: {said}", hint=hint) from error


STAGE = Stage(
    run=encode,
    shape="rows",
    reads=("documents", "verdict", "tokenizer"),
    writes="tokens",
    version=4,
    libraries=("sentencepiece", "tokenizers"),
    columns=("text",),
    aside=("accept_loss",),
    refuse=refuse_encode,
)
