"""A tokenizer that gives other ids is found out, and refused where it is more than a rounding."""

import json

import pytest

from kakehi.tokenizer.comparison import compare, refuse_other_ids
from kakehi.tokenizer.encoding import Encoder, open_encoder
from kakehi.tokenizer.huggingface import write_tokenizer_json
from kakehi.tokenizer.training import Trained


def changed(unigram: Trained, change: str) -> Encoder:
    """Give a twin that is wrong."""
    written = json.loads(write_tokenizer_json(unigram.model))
    if change == "cuts":
        written["pre_tokenizer"] = None
    if change == "pieces":
        written["model"]["vocab"].append(["もう一つ", -9.0])
    if change == "scores":
        written["model"]["vocab"] = [
            [piece, 0.0 if len(piece) == 1 else score] for piece, score in written["model"]["vocab"]
        ]
    return open_encoder(json.dumps(written).encode(), "tokenizer.json")


def test_a_wrong_twin_is_refused(unigram: Trained, sentences: list[str]) -> None:
    """Of other pieces, of other ids in a probe, of other ids in many lines; one line of many is told only."""
    encoder = open_encoder(unigram.model, "sentencepiece")
    for change, said in (
        ("pieces", "got 421 pieces, wanted the model's own 420"),
        ("cuts", "got other ids or another text of '<unk>'"),
        ("scores", "got other ids or another text of|got other ids in 200 of 200 lines"),
    ):
        twin = changed(unigram, change)
        with pytest.raises(ValueError, match=said):
            refuse_other_ids(encoder, twin, unigram.model, compare(encoder, twin, sentences[:200]))
    found = compare(encoder, changed(unigram, "cuts"), [*sentences[:200], "私\n</s>\n"])
    assert found == (201, 1, 203, 1)
    refuse_other_ids(encoder, encoder, unigram.model, found)
    with pytest.raises(ValueError, match=r"got other ids in 3 of 203 lines"):
        refuse_other_ids(encoder, encoder, unigram.model, found._replace(differing_lines=3))
