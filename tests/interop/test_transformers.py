"""transformers opens the folder of a tokenizer, and gives the ids that are packed."""

import json
import shutil
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import sentencepiece

pytest.importorskip("transformers", reason="the interop extra is not installed")

QUICKSTART = Path(__file__).parents[2] / "manifests" / "quickstart.yaml"

#: Configurations that a model's folder may have beside the tokenizer.
CONFIGURATIONS = (None, "llama", "mistral", "gpt_neox")

#: What pages spell now and then, and what tokenizers tidy up.
SPELT = ["x </s> <s> <unk> <0x41> y", "</s>", "  a  b", "\n\n", "a . , b ?", " ", "か\u3099"]


@pytest.fixture(scope="module")
def work(kakehi, tmp_path_factory) -> Path:
    """Run the quickstart up to its tokenizer."""
    work = tmp_path_factory.mktemp("quickstart") / "work"
    said = kakehi("run", QUICKSTART, "--work", work, "--until", "train")
    assert said.code == 0, said.err
    assert "tokenizer.json" not in said.err  # no warning
    return work


def documents(work: Path) -> list[str]:
    """Read the text of all documents, kept or not."""
    paths = [path for step in ("extract", "ingest") for path in sorted((work / step).rglob("*.parquet"))]
    tables = [pq.read_table(path, columns=["text"]) for path in paths if ".rejects" not in path.name]
    return [text for table in tables for text in table["text"].to_pylist()]


def opened(folder: Path, home: Path, model_type: str | None, **parameters: object):
    """Open a copy of the folder with AutoTokenizer, beside a configuration."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - optional

    shutil.copytree(folder, home)
    if model_type:
        (home / "config.json").write_text(json.dumps({"model_type": model_type}))
    return AutoTokenizer.from_pretrained(home, **parameters)


@pytest.mark.slow
def test_every_document_has_the_ids_that_are_packed(work: Path, tmp_path: Path) -> None:
    """All 152 documents, alone and beside configurations, there and back."""
    [model] = (work / "train").rglob("tokenizer.model")
    theirs = sentencepiece.SentencePieceProcessor(model_file=str(model))
    texts = [*documents(work), *SPELT]
    assert len(texts) == 152 + len(SPELT)
    for number, name in enumerate(CONFIGURATIONS):
        tokenizer = opened(model.parent, tmp_path / str(number), name)
        for text in texts:
            ids = tokenizer(text).input_ids
            assert ids == theirs.encode(text), (name, text[:40])
            assert tokenizer.decode(ids) == text
        assert (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.unk_token_id) == (1, 2, 0)


@pytest.mark.slow
def test_a_chat_has_special_tokens_where_it_asks(work: Path, tmp_path: Path) -> None:
    """For one call, or when the tokenizer is opened; else what is spelt so is text."""
    [model] = (work / "train").rglob("tokenizer.model")
    tokenizer = opened(model.parent, tmp_path / "a", "llama")
    tokenizer.chat_template = "{% for turn in messages %}<s>{{ turn['content'] }}</s>{% endfor %}"
    chat = [{"role": "user", "content": "日本"}]
    asked = tokenizer.apply_chat_template(
        chat, tokenizer_kwargs={"split_special_tokens": False}, return_dict=False
    )
    assert (asked[0], asked[-1]) == (1, 2)
    assert not {1, 2} & {*tokenizer.apply_chat_template(chat, return_dict=False)}
    assert (
        opened(model.parent, tmp_path / "b", None, split_special_tokens=False)("日本</s>").input_ids[-1] == 2
    )
