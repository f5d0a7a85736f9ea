"""train: a seeded sample of the kept text to a tokenizer and its evaluation; or adopt an existing one."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.errors import DataError, ParameterError
from kakehi.pipeline.stages.encode import load_encoder, tokenizer_path
from kakehi.pipeline.stages.inputs import Inputs
from kakehi.pipeline.stages.stage import FilePath, Stage
from kakehi.pipeline.stages.tokenizer_refusals import refuse_train
from kakehi.pipeline.stages.train_sample import Sample, draw
from kakehi.pipeline.storage.store import Counts
from kakehi.tokenizer.comparison import compare, refuse_other_ids
from kakehi.tokenizer.encoding import open_encoder
from kakehi.tokenizer.evaluation import evaluate
from kakehi.tokenizer.huggingface import write_config, write_tokenizer_json
from kakehi.tokenizer.packed.indexed import token_dtype
from kakehi.tokenizer.sampling import cut_lines
from kakehi.tokenizer.symbols import faults_of_control_symbols, faults_of_user_symbols
from kakehi.tokenizer.training import train as train_model

#: Documents of the sample that the evaluation reads: enough for three digits, a second of work.
EVALUATION_DOCUMENTS = 1000

#: Of these, how much text is encoded once more by the tokenizers library: 3 MB/s, and BPE less.
COMPARED_CHARACTERS = 5_000_000


def _of_one_dtype(vocab_size: int) -> int:
    """Refuse before the training, not after it, sizes whose dtype Megatron's readers disagree on."""
    try:
        token_dtype(vocab_size)
    except ValueError:
        raise ValueError("of 65,500 to 65,536 pieces Megatron's readers disagree on the dtype") from None
    return vocab_size


def _usable(faults: Callable[[Sequence[str]], Iterator[str]]) -> AfterValidator:
    """Refuse symbols with everything that is wrong with any of them."""

    def checked(symbols: list[str]) -> list[str]:
        found = list(faults(symbols))
        if found:
            raise ValueError("; ".join(found))
        return symbols

    return AfterValidator(checked)


def train(
    inputs: Inputs,
    out: Path,
    engine: Engine,
    *,
    vocab_size: Annotated[int, Field(ge=300, le=1 << 20), AfterValidator(_of_one_dtype)] = 32_000,
    model: Literal["unigram", "bpe"] = "unigram",
    segmenter: Literal["unidic-lite"] | None = None,
    sample_characters: Annotated[int, Field(ge=1, le=2_000_000_000)] = 300_000_000,
    character_coverage: Annotated[float, Field(ge=0.98, le=1)] = 0.9995,
    max_piece_chars: Annotated[int, Field(ge=1, le=512)] = 16,
    split_digits: bool = True,
    user_symbols: Annotated[list[str], _usable(faults_of_user_symbols)] = [],  # noqa: B006 - pydantic copies defaults
    control_symbols: Annotated[list[str], _usable(faults_of_control_symbols)] = [],  # noqa: B006
    num_threads: Annotated[int, Field(ge=1, le=1024)] = 4,
    seed: Annotated[int, Field(ge=0, lt=1 << 64)] = 1,
    existing: FilePath | None = None,
) -> Counts:
    """Train SentencePiece on a sample, or take an existing model, and evaluate it.

    Args:
        inputs: documents and their verdicts.
        out: folder for `tokenizer.model` and `tokenizer.vocab`, `tokenizer.json` and its config for Hugging Face, and
            `evaluation.json`.
        engine: draws the sample, a task a shard. SentencePiece itself runs in the command's process: it brings its own
            threads, and takes more memory than a worker has.
        vocab_size: pieces, the 256 byte pieces among them.
        model: of SentencePiece.
        segmenter: cut text into words for training, so that no piece crosses a word; not needed afterwards.
        sample_characters: how much text to learn from, drawn by hash of id and seed: order does not matter.
        character_coverage: share of characters that become pieces; the rest falls back to bytes.
        max_piece_chars: longest piece.
        split_digits: one piece a digit.
        user_symbols: pieces that are always whole.
        control_symbols: pieces that no text encodes to.
        num_threads: a parameter, never the core count: SentencePiece's result depends on it.
        seed: of the sample.
        existing: a `.model` or `tokenizer.json` to use instead; relative to the manifest.
    """
    sample = draw(
        inputs, engine, seed=seed, characters=sample_characters, thin_documents=EVALUATION_DOCUMENTS
    )
    if existing is not None:
        _adopt(existing, out)
    elif not sample.documents:
        raise DataError("train: no document was kept, so there is nothing to learn from")
    else:
        lines = (line for text in sample.texts() for line in cut_lines(text))
        trained = train_model(
            lines,
            vocab_size=vocab_size,
            model=model,
            segmenter=segmenter,
            character_coverage=character_coverage,
            max_piece_chars=max_piece_chars,
            split_digits=split_digits,
            user_symbols=tuple(user_symbols),
            control_symbols=tuple(control_symbols),
            num_threads=num_threads,
        )
        (out / "tokenizer.model").write_bytes(trained.model)
        (out / "tokenizer.vocab").write_text(trained.vocab, encoding="utf-8")
    return _evaluate(sample, out)


def _adopt(existing: Path, out: Path) -> None:
    (out / f"tokenizer{_ending(existing)}").write_bytes(existing.read_bytes())
    try:
        load_encoder(out)
    except ValueError as error:
        raise DataError(f"train.existing: {existing.name!r}: {error}") from error


def _evaluate(sample: Sample, out: Path) -> Counts:
    encoder = load_encoder(out)
    found = asdict(evaluate(encoder, sample.thinned()))
    exported = _export(sample, out)
    said = {**found, "huggingface": exported}
    (out / "evaluation.json").write_text(json.dumps(said, ensure_ascii=False, indent=1), encoding="utf-8")
    return {
        "sampled_documents": sample.documents,
        "vocab_size": encoder.vocab_size,
        **{f"evaluation/{name}": value for name, value in found.items() if isinstance(value, int)},
        **{f"huggingface/{name}": value for name, value in exported.items() if isinstance(value, int)},
        "huggingface/written": int("refused" not in exported),
    }


def _export(sample: Sample, out: Path) -> dict[str, int | str]:
    """Write `tokenizer.json` and its config for others, unless it would give other ids; say how it compares.

    Returns:
        `documents` compared, `differing` of them, and `refused`, the reason, where nothing was written.
    """
    encoder = load_encoder(out)
    model = tokenizer_path(out).read_bytes()
    try:
        written = write_tokenizer_json(model) if encoder.kind == "sentencepiece" else model.decode()
        twin = open_encoder(written.encode(), "tokenizer.json")
        found = compare(encoder, twin, _beginning(sample.thinned(), COMPARED_CHARACTERS))
        refuse_other_ids(encoder, twin, model, found)
    except ValueError as error:
        return {"documents": 0, "differing": 0, "refused": str(error)}
    (out / "tokenizer.json").write_text(written, encoding="utf-8")
    (out / "tokenizer_config.json").write_text(write_config(model, encoder.kind), encoding="utf-8")
    return {"documents": found.documents, "differing": found.differing}


def _beginning(texts: Iterator[str], characters: int) -> Iterator[str]:
    """Yield texts until they have so many characters; the first whatever its length."""
    for text in texts:
        yield text
        characters -= len(text)
        if characters <= 0:
            return


def _ending(path: Path) -> str:
    if path.suffix in {".model", ".json"}:
        return path.suffix
    raise ParameterError(
        f"train.existing: got {path.name!r}, wanted a SentencePiece .model or a Hugging Face tokenizer.json"
    )


STAGE = Stage(
    run=train,
    shape="corpus",
    reads=("documents", "verdict"),
    writes="tokenizer",
    version=2,
    libraries=("fugashi", "sentencepiece", "tokenizers", "unidic-lite"),
    refuse=refuse_train,
)
