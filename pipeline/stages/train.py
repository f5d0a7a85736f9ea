"""train: a seeded sample of the kept text to a tokenizer and its evaluation; or adopt an existing one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pydantic import Field

from kakehi.pipeline.engines.engine import Engine
from kakehi.pipeline.errors import DataError, ParameterError
from kakehi.pipeline.inputs import Inputs, ShardTables
from kakehi.pipeline.stage import Counts, FilePath, Stage
from kakehi.pipeline.stages.encode import load_encoder
from kakehi.tokenizer.evaluation import evaluate
from kakehi.tokenizer.sampling import choose, cut_lines, ranks
from kakehi.tokenizer.training import train as train_model

#: Documents of the sample that the evaluation reads: enough for three digits, a second of work.
EVALUATION_DOCUMENTS = 1000


def train(
    inputs: Inputs,
    out: Path,
    engine: Engine,  # noqa: ARG001 - SentencePiece brings its own threads
    *,
    vocab_size: Annotated[int, Field(ge=300, le=1 << 20)] = 32_000,
    model: Literal["unigram", "bpe"] = "unigram",
    segmenter: Literal["unidic-lite"] | None = None,
    sample_characters: Annotated[int, Field(ge=1)] = 300_000_000,
    character_coverage: Annotated[float, Field(ge=0.9, le=1)] = 0.9995,
    max_piece_chars: Annotated[int, Field(ge=1)] = 16,
    split_digits: bool = True,
    user_symbols: list[str] = [],  # noqa: B006 - pydantic copies defaults
    control_symbols: list[str] = [],  # noqa: B006
    num_threads: Annotated[int, Field(ge=1)] = 4,
    seed: Annotated[int, Field(ge=0)] = 1,
    existing: FilePath | None = None,
) -> Counts:
    """Train SentencePiece on a sample, or take an existing model, and evaluate it.

    Args:
        inputs: documents and their verdicts.
        out: folder for `tokenizer.model`, `tokenizer.vocab` (or `tokenizer.json`) and `evaluation.json`.
        engine: not used.
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
    sample = _sample(inputs, seed, sample_characters)
    if existing is not None:
        _adopt(existing, out)
    elif not sum(int(chosen.sum()) for chosen in sample):
        raise DataError("train: no document was kept, so there is nothing to learn from")
    else:
        lines = (line for text in _texts(inputs, sample) for line in cut_lines(text))
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
    return _evaluate(inputs, out, sample, seed)


def _adopt(existing: Path, out: Path) -> None:
    (out / f"tokenizer{_ending(existing)}").write_bytes(existing.read_bytes())
    try:
        load_encoder(out)
    except ValueError as error:
        raise DataError(f"train.existing: {existing.name!r}: {error}") from error


def _sample(inputs: Inputs, seed: int, budget: int) -> list[npt.NDArray[np.bool_]]:
    """Choose documents: bool[rows] for every shard, kept ones of lowest rank until the budget is reached."""
    found = [_ranked(shard, seed) for shard in inputs.shards]
    kept = np.concatenate([np.zeros(0, bool), *(item[0] for item in found)])
    rank = np.concatenate([np.zeros(0, np.uint64), *(item[1] for item in found)])
    length = np.concatenate([np.zeros(0, np.int64), *(item[2] for item in found)])
    chosen = np.zeros(len(kept), bool)
    chosen[kept] = choose(rank[kept], length[kept], budget)
    return np.split(chosen, np.cumsum([shard.rows for shard in inputs.shards])[:-1])


def _ranked(
    shard: ShardTables, seed: int
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.uint64], npt.NDArray[np.int64]]:
    kept, rank, length = [np.zeros(0, bool)], [np.zeros(0, np.uint64)], [np.zeros(0, np.int64)]
    for batch in shard.batches("documents", "verdict", columns=("id", "characters")):
        kept.append(batch.column("kept").to_numpy(zero_copy_only=False))
        rank.append(ranks(batch.column("id"), seed))
        length.append(batch.column("characters").to_numpy())
    return np.concatenate(kept), np.concatenate(rank), np.concatenate(length)


def _texts(inputs: Inputs, sample: list[npt.NDArray[np.bool_]]) -> Iterator[str]:
    """Yield the sampled texts in the order of their ids, which no shard border moves."""
    found: list[tuple[bytes, str]] = []
    for shard, chosen in zip(inputs.shards, sample, strict=True):
        start = 0
        for batch in shard.batches("documents", columns=("id", "text")):
            mine = pa.array(chosen[start : start + batch.num_rows])
            found += zip(
                batch.column("id").filter(mine).to_pylist(),
                batch.column("text").filter(mine).to_pylist(),
                strict=True,
            )
            start += batch.num_rows
    yield from (text for _, text in sorted(found))


def _evaluate(inputs: Inputs, out: Path, sample: list[npt.NDArray[np.bool_]], seed: int) -> Counts:
    encoder = load_encoder(out)
    texts = list(_texts(inputs, _thin(inputs, sample, seed)))
    found = asdict(evaluate(encoder, texts))
    (out / "evaluation.json").write_text(json.dumps(found, ensure_ascii=False, indent=1), encoding="utf-8")
    return {
        "sampled_documents": sum(int(chosen.sum()) for chosen in sample),
        "vocab_size": encoder.vocab_size,
        **{f"evaluation/{name}": value for name, value in found.items() if isinstance(value, int)},
    }


def _thin(inputs: Inputs, sample: list[npt.NDArray[np.bool_]], seed: int) -> list[npt.NDArray[np.bool_]]:
    """Leave the EVALUATION_DOCUMENTS of lowest rank in the sample."""
    rank = np.concatenate([np.zeros(0, np.uint64), *(_ranked(shard, seed)[1] for shard in inputs.shards)])
    chosen = np.concatenate([np.zeros(0, bool), *sample])
    mine = rank[chosen]
    if len(mine) > EVALUATION_DOCUMENTS:
        chosen = chosen & (rank <= np.partition(mine, EVALUATION_DOCUMENTS - 1)[EVALUATION_DOCUMENTS - 1])
    return np.split(chosen, np.cumsum([len(part) for part in sample])[:-1])


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
    version=1,
    libraries=("fugashi", "sentencepiece", "tokenizers", "unidic-lite"),
)
