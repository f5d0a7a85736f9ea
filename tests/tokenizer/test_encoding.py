"""Ids are those of the model's own library, and no text becomes a control piece."""

import json

import numpy as np
import pyarrow as pa
import pytest
import sentencepiece
from tokenizers import Tokenizer

from kakehi.tokenizer.encoding import Encoder, open_encoder
from kakehi.tokenizer.packed.indexed import token_dtype
from kakehi.tokenizer.training import Trained, train

TEXTS = ["東京都の研究所で\n本を読んだ。", "", "a  b\t", "😀𠮷か\u3099", "</s><s><|endoftext|><unk>", None]


@pytest.fixture(params=["sentencepiece", "tokenizer.json"])
def encoder(request: pytest.FixtureRequest, unigram: Trained, byte_level: bytes) -> Encoder:
    """Give an encoder of either kind."""
    return open_encoder(unigram.model if request.param == "sentencepiece" else byte_level, request.param)


def _rows(encoder: Encoder, column: pa.Array) -> list[list[int]]:
    ids, lengths = encoder.encode(column)
    assert ids.dtype == encoder.dtype == np.uint16
    assert lengths.dtype == np.int64
    assert lengths.sum() == len(ids)
    return [row.tolist() for row in np.split(ids, np.cumsum(lengths)[:-1])]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()])
def test_ids_equal_the_librarys(
    unigram: Trained, encoder: Encoder, byte_level: bytes, kind: pa.DataType
) -> None:
    """A row encodes as it does alone in the library, offset and nulls honoured."""
    column = pa.array(["skipped", *TEXTS], kind).slice(1)
    if encoder.kind == "sentencepiece":
        pieces = sentencepiece.SentencePieceProcessor(model_proto=unigram.model)
        wanted = [pieces.encode(text or "") for text in TEXTS]
    else:
        reference = Tokenizer.from_str(byte_level.decode())
        reference.no_truncation()
        reference.no_padding()
        reference.encode_special_tokens = True
        wanted = [reference.encode(text or "", add_special_tokens=False).ids for text in TEXTS]
    assert _rows(encoder, column) == wanted


def test_splits_do_not_matter(encoder: Encoder) -> None:
    """Two halves encode to the halves of the whole; an empty column to nothing."""
    column = pa.array(TEXTS, pa.large_string())
    assert _rows(encoder, column) == _rows(encoder, column[:2]) + _rows(encoder, column[2:])
    ids, lengths = encoder.encode(column[:0])
    assert (len(ids), len(lengths), ids.dtype) == (0, 0, np.uint16)


def test_text_comes_back(encoder: Encoder) -> None:
    """Decoding gives each text."""
    column = pa.array(TEXTS, pa.large_string())
    decoded = [encoder.decode(np.array(row, np.uint16)) for row in _rows(encoder, column)]
    assert decoded == [text or "" for text in TEXTS]


def test_no_text_becomes_a_control_piece(encoder: Encoder) -> None:
    """A literal </s> in a document is text, not its end."""
    ids, _ = encoder.encode(pa.array(["</s>", "x</s>y<s>", "<|endoftext|>"]))
    assert not {encoder.piece_id("</s>"), encoder.piece_id("<s>")} & set(ids.tolist())
    if encoder.kind == "tokenizer.json":
        assert encoder.piece_id("<|endoftext|>") not in ids


def test_a_text_of_a_megabyte_is_encoded(encoder: Encoder) -> None:
    """Length knows no limit, and the text comes back."""
    text = "研究所は資料を調べた。" * 33_000
    ids, lengths = encoder.encode(pa.array([text]))
    assert lengths.tolist() == [len(ids)]
    assert encoder.decode(ids) == text


def test_pieces_and_ids_name_each_other(encoder: Encoder) -> None:
    """Every id has a piece that has that id."""
    assert all(encoder.piece_id(encoder.piece(i)) == i for i in range(encoder.vocab_size))
    assert len(encoder.digest) == 64


def test_an_unknown_piece_names_close_ones(encoder: Encoder) -> None:
    """A typing error in the manifest is answered with what was meant."""
    with pytest.raises(ValueError, match=r"piece: got '</S>', wanted one of the vocabulary\nhint: .*'</s>'"):
        encoder.piece_id("</S>")


def test_byte_pieces_are_told(encoder: Encoder) -> None:
    """An emoji without a piece is spelt in bytes; kana of the corpus is not."""
    emoji, _ = encoder.encode(pa.array(["😀"]))
    assert all(map(encoder.is_byte, emoji.tolist()))
    kana, _ = encoder.encode(pa.array(["はを"]))
    assert not any(map(encoder.is_byte, kana.tolist()))


@pytest.mark.parametrize(
    ("size", "dtype"), [(1, "uint16"), (65_499, "uint16"), (65_537, "int32"), (200_000, "int32")]
)
def test_the_dtype_follows_the_vocabulary(size: int, dtype: str) -> None:
    """Megatron's rule, on both sides of what is refused."""
    assert token_dtype(size) == dtype


@pytest.mark.parametrize("size", [-1, 0, 65_500, 65_536])
def test_vocabularies_read_in_two_ways_are_refused(size: int) -> None:
    """Readers disagree from 65,500 to 65,536."""
    with pytest.raises(ValueError, match=f"vocab_size: got {size}, wanted 1 to 65,499"):
        token_dtype(size)


def test_a_vocabulary_in_the_gap_is_refused_when_opened() -> None:
    """The size counts up to the highest id, holes included."""
    vocab = {"a": 0, "b": 65_520}
    model = {"type": "WordLevel", "vocab": vocab, "unk_token": "a"}
    with pytest.raises(ValueError, match="vocab_size: got 65521"):
        open_encoder(
            json.dumps({"version": "1.0", "model": model, "added_tokens": []}).encode(), "tokenizer.json"
        )


@pytest.mark.parametrize("kind", ["sentencepiece", "tokenizer.json"])
@pytest.mark.parametrize("blob", [b"", b"{}", b"\xff\x00no model"])
def test_other_bytes_are_refused(kind, blob: bytes) -> None:
    """What is no model is said not to be one."""
    with pytest.raises(ValueError, match=f"model: got {len(blob)} bytes, wanted a"):
        open_encoder(blob, kind)


def test_an_unknown_kind_is_refused() -> None:
    """The kinds are listed."""
    with pytest.raises(
        ValueError, match=r"kind: got 'bpe', wanted one of \['sentencepiece', 'tokenizer.json'\]"
    ):
        open_encoder(b"", "bpe")  # type: ignore[arg-type]


def test_a_trained_control_symbol_is_an_eod_no_text_has(sentences: list[str]) -> None:
    """<|endoftext|> in a text is spelt out."""
    encoder = open_encoder(
        train(sentences, vocab_size=400, control_symbols=("<|endoftext|>",)).model, "sentencepiece"
    )
    ids, _ = encoder.encode(pa.array(["a<|endoftext|>b"]))
    assert encoder.piece_id("<|endoftext|>") not in ids
    assert encoder.decode(ids) == "a<|endoftext|>b"


def _written(model: dict[str, object]) -> bytes:
    return json.dumps({"version": "1.0", "added_tokens": [], "model": model}).encode()


@pytest.mark.parametrize(
    ("model", "fault"),
    [
        ({"type": "BPE", "vocab": {"a": 0, "b": 2_000_000_000}, "merges": []}, "got an id of 2,000,000,000"),
        ({"type": "BPE", "vocab": {"a": 0, "b": 4_000_000_000}, "merges": []}, "got an id of 4,000,000,000"),
        ({"type": "WordLevel", "vocab": {"a": 0}, "unk_token": "<unk>"}, "unk_token: got '<unk>'"),
        ({"type": "BPE", "vocab": {"a": 0}, "merges": [], "unk_token": "zz"}, "can't encode a text"),
        ({"type": "Unigram", "vocab": [["a", -1.0]], "unk_id": None}, "can't encode a text"),
    ],
)
def test_ids_beyond_bounds_and_no_unknown_are_clear_errors(model: dict[str, object], fault: str) -> None:
    """What counts by id is as long as the highest, 16 GB here; a text that has no piece is no traceback."""
    with pytest.raises(ValueError, match=fault):
        open_encoder(_written(model), "tokenizer.json").encode(pa.array(["あ"]))
