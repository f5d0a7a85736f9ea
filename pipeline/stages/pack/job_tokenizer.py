"""The tokenizer that a training job builds: by it megatron-core names its caches, and its file lies beside the maps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kakehi.pipeline.errors import ParameterError
from kakehi.tokenizer.encoding import open_encoder
from kakehi.tokenizer.packed.stock_job import CORES, Core, TokenizerType, unique_identifiers

_HUGGING_FACE: Final = "HuggingFaceTokenizer"


def _version(value: object) -> object:
    """Read 0.16 and "0.16" alike."""
    text = str(float(value)) if isinstance(value, float) else value
    if text in CORES:
        return text
    spelt = 'in YAML 0.20 is 0.2: write "0.20"; ' if text == "0.2" else ""
    raise ValueError(
        f"{spelt}wanted {', '.join(CORES[:-1])} or {CORES[-1]}; for another give unique_identifiers in place of type and core"
    )


class JobTokenizer(BaseModel):
    """The tokenizer a job builds, by which megatron-core names its caches.

    Args:
        type: `--tokenizer-type`.
        core: versions of megatron-core that will read; null for all whose tokenizers are known here.
        path: `--tokenizer-model` as the job will spell it; null for the copy that lies beside the maps.
        unique_identifiers: in place of the three: as another job has them, in their order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: TokenizerType | None = None
    core: Annotated[list[Annotated[Core, BeforeValidator(_version)]], Field(min_length=1)] | None = None
    path: Annotated[str, Field(pattern=r"^\S+$")] | None = None
    unique_identifiers: dict[str, Any] | None = None

    @model_validator(mode="after")
    def _one(self) -> JobTokenizer:
        if (self.type is None) == (self.unique_identifiers is None):
            raise ValueError("wanted {type: …}, or {unique_identifiers: {…}} for a job that builds its own")
        if self.type is None and (self.core or self.path):
            raise ValueError("core and path go with type: unique_identifiers say all there is")
        return self

    def identities(self, path: str) -> list[dict[str, Any]]:
        """List what caches are named by, each once, where the job finds its tokenizer at a path."""
        if self.type is None:
            return [self.unique_identifiers or {}]
        found: list[dict[str, Any]] = []
        for core in self.core or CORES:
            mine = unique_identifiers(self.type, path, core)
            found += [mine] if mine not in found else []
        return found


def put_tokenizer(made: Path, out: Path, kind: TokenizerType, about: Mapping[str, Any]) -> str:
    """Copy the files that a type reads, and hold what it takes for the end of a document to the binaries.

    Args:
        made: folder of `train`.
        out: folder in which they come to lie, in `tokenizer/`.
        kind: `--tokenizer-type`.
        about: what `manifest.json` says of the binaries.

    Returns:
        what `--tokenizer-model` names of it: a file, or the folder.
    """
    names = ("tokenizer.json", "tokenizer_config.json") if kind == _HUGGING_FACE else ("tokenizer.model",)
    for name in names:
        if not (made / name).exists():
            there = ", ".join(sorted(path.name for path in made.glob("tokenizer*"))) or "nothing"
            raise ParameterError(
                f"index.tokenizer.type: got {kind}, which reads {name}, wanted one for what train has: {there}",
                hint="HuggingFaceTokenizer reads tokenizer.json and tokenizer_config.json, the others tokenizer.model",
            )
    end, spelt = _end_of_documents(made, kind)
    if end != about["eod"]:
        raise ParameterError(
            f"index.tokenizer.type: {kind} takes {spelt!r} (id {end}) for the end of a document, wanted id "
            f"{about['eod']}, which ends those of the binaries: --eod-mask-loss would mask none",
            hint=f"say encode: {{eod: {json.dumps(spelt)}}}, or take another type",
        )
    (out / "tokenizer").mkdir()
    for name in names:
        shutil.copyfile(made / name, out / "tokenizer" / name)
    return "tokenizer" if kind == _HUGGING_FACE else f"tokenizer/{names[0]}"


def _end_of_documents(made: Path, kind: TokenizerType) -> tuple[int | None, str | None]:
    """Say what Megatron's tokenizer gives as `eod`, and how it is spelt."""
    if kind != _HUGGING_FACE:
        import sentencepiece  # noqa: PLC0415 - heavy

        pieces = sentencepiece.SentencePieceProcessor(model_file=str(made / "tokenizer.model"))
        end = pieces.eos_id()
        return end, pieces.id_to_piece(end) if end >= 0 else None
    told = json.loads((made / "tokenizer_config.json").read_bytes()).get("eos_token")
    spelt = told.get("content") if isinstance(told, Mapping) else told
    try:
        encoder = open_encoder((made / "tokenizer.json").read_bytes(), "tokenizer.json")
        return (encoder.piece_id(spelt) if spelt else None), spelt
    except ValueError:
        return None, spelt
