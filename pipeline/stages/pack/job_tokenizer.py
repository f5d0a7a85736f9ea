"""The tokenizer that a training job builds: by it megatron-core names its caches, and its files lie beside the binaries."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kakehi.pipeline.errors import ParameterError
from kakehi.tokenizer.end_mark import end_of_documents
from kakehi.tokenizer.packed.stock_job import CORES, Core, TokenizerType, unique_identifiers

#: Folder of the tokenizer beside the binaries.
FOLDER: Final = "tokenizer"

_HUGGING_FACE: Final = "HuggingFaceTokenizer"
_OF_HUGGING_FACE: Final = ("tokenizer.json", "tokenizer_config.json")


def _version(value: object) -> object:
    """Read 0.16 and "0.16" alike."""
    text = str(float(value)) if isinstance(value, float) else value
    if text in CORES:
        return text
    spelt = 'in YAML 0.20 is 0.2: write "0.20"; ' if text == "0.2" else ""
    raise ValueError(
        f"{spelt}wanted {', '.join(CORES[:-1])} or {CORES[-1]}; for another give unique_identifiers in place of type and core"
    )


def _pairs(value: object) -> object:
    """Keep the order of a mapping, which is part of a cache's name and would be lost in a recipe."""
    return list(value.items()) if isinstance(value, Mapping) else value


class JobTokenizer(BaseModel):
    """The tokenizer a job builds, by which megatron-core names its caches.

    Args:
        type: `--tokenizer-type`.
        core: versions of megatron-core that will read; null for all whose tokenizers are known here.
        path: `--tokenizer-model` as the job will spell it; null for the copy that lies beside the binaries.
        unique_identifiers: in place of the three: as another job has them, in their order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    type: TokenizerType | None = None
    core: Annotated[list[Annotated[Core, BeforeValidator(_version)]], Field(min_length=1)] | None = None
    path: Annotated[str, Field(pattern=r"^\S+$")] | None = None
    unique_identifiers: Annotated[list[tuple[str, Any]], BeforeValidator(_pairs)] | None = None

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
            return [dict(self.unique_identifiers or ())]
        found: list[dict[str, Any]] = []
        for core in self.core or CORES:
            mine = unique_identifiers(self.type, path, core)
            found += [mine] if mine not in found else []
        return found


def keep_tokenizer(made: Path, out: Path) -> None:
    """Copy what readers need of a tokenizer beside the binaries: a job names it by a path without an address.

    Args:
        made: folder of `train`.
        out: folder of the binaries; the files come to lie in `tokenizer/`.
    """
    (out / FOLDER).mkdir()
    for name in ("tokenizer.model", *_OF_HUGGING_FACE):
        if (made / name).exists():
            shutil.copyfile(made / name, out / FOLDER / name)


def find_tokenizer(packed: Path, kind: TokenizerType, eod: int) -> str:
    """Find what a type reads of the tokenizer, and hold what it takes for the end of a document to the binaries.

    Args:
        packed: folder of the binaries.
        kind: `--tokenizer-type`.
        eod: the id that ends documents there.

    Returns:
        the path from there, as `--tokenizer-model` has it: a file, or a folder.
    """
    made = packed / FOLDER
    names = _OF_HUGGING_FACE if kind == _HUGGING_FACE else ("tokenizer.model",)
    for name in names:
        if not (made / name).exists():
            there = ", ".join(sorted(path.name for path in made.glob("*"))) or "nothing"
            raise ParameterError(
                f"index.tokenizer.type: got {kind}, which reads {name}, wanted one for what train has: {there}",
                hint="HuggingFaceTokenizer reads tokenizer.json and tokenizer_config.json, the others tokenizer.model",
            )
    end, spelt = end_of_documents(made, kind)
    if end != eod:
        raise ParameterError(
            f"index.tokenizer.type: {kind} takes {spelt!r} (id {end}) for the end of a document, wanted id {eod}, "
            "which ends those of the binaries: --eod-mask-loss would mask none",
            hint=f"say encode: {{eod: {json.dumps(spelt)}}}, or take another type",
        )
    return FOLDER if kind == _HUGGING_FACE else f"{FOLDER}/{names[0]}"
