"""The end of a document is what Megatron's own tokenizers take for it."""

import io
import json
from pathlib import Path

import pytest
import sentencepiece

from kakehi.tokenizer.end_mark import end_of_documents


def test_a_model_says_it_by_its_id_of_eos(tmp_path: Path) -> None:
    """Whatever the piece is; a model may have none."""
    for end, wanted in ((2, (2, "</s>")), (-1, (None, None))):
        made = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(["ab abc"] * 9), model_writer=made, vocab_size=8, eos_id=end, minloglevel=2
        )
        (tmp_path / "tokenizer.model").write_bytes(made.getvalue())
        assert end_of_documents(tmp_path, "Llama2Tokenizer") == wanted


@pytest.mark.parametrize(
    ("config", "wanted"),
    [
        ({"eos_token": "</s>"}, (2, "</s>")),
        ({"eos_token": {"content": "a", "special": True}}, (1, "a")),
        ({"eos_token": "<gone>"}, (None, "<gone>")),
        ({"eos_token": None}, (None, None)),
        ({}, (None, None)),
    ],
)
def test_a_folder_says_it_by_its_configuration(tmp_path: Path, config, wanted) -> None:
    """As text, or as a token with its settings."""
    model = {"type": "WordLevel", "vocab": {"<unk>": 0, "a": 1, "</s>": 2}, "unk_token": "<unk>"}
    (tmp_path / "tokenizer.json").write_text(json.dumps({"version": "1.0", "model": model}), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    assert end_of_documents(tmp_path, "HuggingFaceTokenizer") == wanted
