"""What a Megatron job takes for the end of a document, by the files of its tokenizer."""

import json
from collections.abc import Mapping
from pathlib import Path

from .encoding import open_encoder
from .packed.stock_job import TokenizerType


def end_of_documents(folder: Path, kind: TokenizerType) -> tuple[int | None, str | None]:
    """Say what a tokenizer built from a folder takes for the end of a document: its id and how it is spelt, None for none."""
    if kind != "HuggingFaceTokenizer":
        import sentencepiece  # noqa: PLC0415 - heavy

        pieces = sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))
        end = pieces.eos_id()
        return (end, pieces.id_to_piece(end)) if end >= 0 else (None, None)
    told = json.loads((folder / "tokenizer_config.json").read_bytes()).get("eos_token")
    spelt = told.get("content") if isinstance(told, Mapping) else told
    try:
        encoder = open_encoder((folder / "tokenizer.json").read_bytes(), "tokenizer.json")
        return (encoder.piece_id(spelt) if spelt else None), spelt
    except ValueError:
        return None, spelt
