"""encode: kept text to ids with the end mark; what is not kept has no ids."""

import json
import os
from hashlib import sha256

import numpy as np
import pyarrow as pa
import pytest

from kakehi.pipeline.errors import DataError, ParameterError
from kakehi.pipeline.stages.encode import encode, load_encoder
from kakehi.pipeline.storage.schemas import flat_ids
from kakehi.tokenizer.training import train


@pytest.fixture(scope="module")
def folder(make, tmp_path_factory):
    """Give the folder of a small tokenizer."""
    root = tmp_path_factory.mktemp("tokenizer")
    lines = [line for i in range(30) for line in make.text(i).split("\n")]
    (root / "tokenizer.model").write_bytes(train(lines, vocab_size=400, num_threads=1).model)
    return root


def batch(texts, kept):
    """Give a batch as the stage reads it."""
    return pa.record_batch({"text": pa.array(texts, pa.large_string()), "kept": pa.array(kept, pa.bool_())})


def test_kept_rows_are_encoded_and_others_are_null(make, folder):
    """Each kept document ends with the mark, begins with one where asked, and decodes to its text."""
    encoder = load_encoder(folder)
    texts = [make.text(1), make.text(2), make.text(3)]
    out = encode(batch(texts, [True, False, True]), folder, eod="</s>", bos="<s>")
    first, second, third = out.column("ids").to_pylist()
    assert second is None
    lengths = out.column("length").to_pylist()
    assert lengths == [len(first) // 2, 0, len(third) // 2]
    for text, packed in ((texts[0], first), (texts[2], third)):
        ids = np.frombuffer(packed, "<u2")
        assert (ids[0], ids[-1]) == (encoder.piece_id("<s>"), encoder.piece_id("</s>"))
        assert encoder.decode(ids[1:-1]) == text
    assert flat_ids(out.column("ids"), "<u2").tobytes() == first + third
    assert flat_ids(out.column("ids")[1:], "<u2").tobytes() == third
    assert flat_ids(out.column("ids")[1:2], "<u2").tobytes() == b""


@pytest.mark.parametrize("kept", [[], [False], [False, False]])
def test_nothing_kept(folder, kept):
    """The column has its type all the same."""
    out = encode(batch(["あ"] * len(kept), kept), folder, eod="</s>")
    assert out.schema == encode(batch(["あ"], [True]), folder, eod="</s>").schema
    assert out.column("ids").to_pylist() == [None] * len(kept)


@pytest.mark.parametrize("name", ["eod", "bos"])
def test_a_mark_that_is_no_piece(folder, name):
    """The error names the parameter, and close pieces in its one hint."""
    marks = {"eod": "</s>", "bos": "<s>", name: "<s>>"}
    with pytest.raises(ParameterError, match=rf"encode\.{name}: .*<s>>") as caught:
        encode(batch(["あ"], [True]), folder, **marks)
    assert "'<s>'" in str(caught.value.hint)
    assert "hint" not in caught.value.message


def test_a_changed_model_is_refused(folder, tmp_path):
    """The folder's receipt says which one it was."""
    content = (folder / "tokenizer.model").read_bytes()
    (tmp_path / "tokenizer.model").write_bytes(content)
    receipt = {"outputs": [{"name": "tokenizer.model", "sha256": sha256(content).hexdigest()}]}
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    table = encode(batch(["あ"], [True]), tmp_path, eod="</s>")
    said = {key.decode(): value.decode() for key, value in table.schema.metadata.items()}
    assert said == {"kakehi.tokenizer": sha256(content).hexdigest(), "kakehi.eod": "2", "kakehi.unknown": "0"}
    assert table.column("length").to_pylist() == [len(table.column("ids")[0].as_py()) // 2]
    receipt["outputs"][0]["sha256"] = "0" * 64
    (tmp_path / "receipt.json").write_text(json.dumps(receipt))
    (tmp_path / "tokenizer.model").write_bytes(content)
    os.utime(tmp_path / "tokenizer.model", (1, 1))
    with pytest.raises(DataError, match=r"got sha256 .*, wanted 0000.*as its receipt says"):
        encode(batch(["あ"], [True]), tmp_path, eod="</s>")
