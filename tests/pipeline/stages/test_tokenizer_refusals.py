"""train and encode refuse what a manifest alone shows, with everything at once."""

from pathlib import Path
from typing import Any

import pytest

from kakehi.pipeline.stages.encode import STAGE as ENCODE
from kakehi.pipeline.stages.stage import Asked
from kakehi.pipeline.stages.tokenizer_refusals import existing_encoder, vocab_sizes
from kakehi.pipeline.stages.train import STAGE as TRAIN
from kakehi.tokenizer.training import train


def tokenizer(**parameters: Any) -> dict[str, Any]:
    """Give the parameters of `train`, filled in."""
    return dict(TRAIN.model().model_validate(parameters).model_dump())


def told(sources: dict[str, Any] | None = None, **parameters: Any) -> list[str]:
    """List what `train` refuses."""
    asked = Asked(tokenizer(**parameters), {}, sources if sources is not None else {"s": {}})
    assert TRAIN.refuse is not None
    return [f"{place[0]}: {said}" for place, said in TRAIN.refuse(asked)]


def marked(eod: str, bos: str | None = None, **parameters: Any) -> list[str]:
    """List what `encode` refuses beside a tokenizer."""
    asked = Asked({"eod": eod, "bos": bos}, {"tokenizer": [tokenizer(**parameters)]}, {})
    assert ENCODE.refuse is not None
    return [f"{place[0]}: {said}" for place, said in ENCODE.refuse(asked)]


@pytest.fixture(scope="module")
def existing(make, tmp_path_factory) -> Path:
    """Give a model's file."""
    path = tmp_path_factory.mktemp("model") / "own.model"
    lines = [line for i in range(30) for line in make.text(i).split("\n")]
    path.write_bytes(train(lines, vocab_size=400, num_threads=1, control_symbols=("<EOD>",)).model)
    return path


def test_symbols_and_sizes_that_do_not_go_together() -> None:
    """A symbol in both lists, and fewer pieces than bytes and symbols are."""
    assert told() == []
    symbols = [f"<{i}>" for i in range(60)]
    assert told(user_symbols=["<0>"], control_symbols=symbols, vocab_size=321) == [
        "control_symbols: '<0>' is a user symbol too: text becomes it, or does not"
    ]
    assert told(user_symbols=symbols, vocab_size=320) == [
        "vocab_size: got 320, wanted at least 321 for bytes and symbols alone, and more for characters"
    ]


def test_symbols_that_no_text_has() -> None:
    """A symbol must outlive the normalisation of one source; where a source is not known, nothing is said."""
    training, archive = {"normalise": "training"}, {"normalise": "archive"}
    without = {"normalise": {"level": "training", "without": ["full_width_letters"]}}
    symbols = ["Ａ", "する", "<EOD>", "①"]
    said = "user_symbols: 'Ａ' would never be met: normalised, a text has 'A' there"
    assert said in told({"a": training}, user_symbols=symbols)
    assert told({"a": training}, user_symbols=["する", "<EOD>"]) == []
    [alike] = told({"a": training}, user_symbols=["か\u3099"])
    assert r"'\u304b\u3099' would" in alike
    assert r"has '\u304c' there" in alike
    for sources in ({"a": training, "b": archive}, {"a": without}, {"a": training, "b": {}}, {}):
        assert said not in told(sources, user_symbols=symbols), sources


def test_a_file_that_is_no_model(tmp_path: Path, existing: Path) -> None:
    """Its ending or its bytes say so; one that is not there is told elsewhere."""
    for name, fault in (("a.txt", "wanted a SentencePiece .model"), ("a.json", "wanted a tokenizer.json")):
        (tmp_path / name).write_text("{}")
        assert fault in told(existing=tmp_path / name)[0]
    assert told(existing=tmp_path / "no.model") == []
    assert told(existing=existing) == []
    sizes = list(vocab_sizes([tokenizer(existing=path) for path in (existing, tmp_path / "a.json")]))
    assert sizes == [400]
    assert list(vocab_sizes([tokenizer(vocab_size=500)])) == [500]
    assert existing_encoder(tokenizer()) is None


def test_marks(tmp_path: Path, existing: Path) -> None:
    """Two marks are two pieces, which the tokenizer has and texts do not become."""
    assert marked("</s>", "<s>") == []
    assert marked("</s>", "</s>") == [
        "bos: '</s>' is eod too, so that no reader could tell a begin from an end"
    ]
    assert "won't have '</S>'; did you mean '</s>'? (more: train.control_symbols)" in marked("</S>")[0]
    assert "'<x>' is one of train.user_symbols, which texts become" in marked("<x>", user_symbols=["<x>"])[0]
    assert marked("<EOD>", "<s>", existing=existing) == []
    assert (
        "eod: piece: got '<EOS>', wanted one of the vocabulary; close"
        in marked("<EOS>", existing=existing)[0]
    )
    for mark, kind in (("<0x41>", "a piece of bytes"), ("▁", "the space")):
        said = f"eod: {mark!r} is {kind}, which texts become and nothing else spells"
        assert marked(mark, existing=existing) == [said]
    assert marked("<EOS>", existing=tmp_path / "no.model") == []
    (tmp_path / "bad.model").write_text("no model")
    assert marked("<EOS>", existing=tmp_path / "bad.model") == []
