"""A small Japanese corpus from templates, and models trained on it."""

import random

import pytest

from kakehi.tokenizer.training import Trained, train

WHO = ["私", "彼女", "先生", "東京都", "研究所", "新しい計算機", "日本語の文章", "図書館"]
WHAT = ["本", "大規模言語モデル", "長い手紙", "資料", "データ", "３つの表", "https://example.jp/path"]
DID = ["調べた", "読んでいる", "作りました", "走らせる", "考えていた", "届けた"]
JOIN = ["しかし", "また", "2024年には", "なお、"]


@pytest.fixture(scope="session")
def sentences() -> list[str]:
    """Give 600 sentences, the same on every run."""
    rng = random.Random(0)  # noqa: S311 - not for secrets
    return [
        f"{rng.choice(WHO)}は{rng.choice(WHAT)}を{rng.choice(DID)}。"
        f"{rng.choice(JOIN)}{rng.choice(WHO)}が{rng.choice(WHAT)}を{rng.choice(DID)}。"
        for _ in range(600)
    ]


@pytest.fixture(scope="session")
def unigram(sentences: list[str]) -> Trained:
    """Give a unigram model of 420 pieces."""
    return train(sentences, vocab_size=420)


@pytest.fixture(scope="session")
def byte_level(sentences: list[str]) -> bytes:
    """Give a byte-level BPE `tokenizer.json` that asks for padding, truncation and added special tokens."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers  # noqa: PLC0415 - heavy

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    special = ["<s>", "</s>", "<|endoftext|>"]
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=special,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)]
    )
    tokenizer.enable_truncation(8)
    tokenizer.enable_padding(length=8)
    return tokenizer.to_str().encode()
