"""The tokenizer.json gives SentencePiece's ids, and is refused where it would not."""

import io
import json
from collections.abc import Iterator

import pyarrow as pa
import pytest
import sentencepiece

from kakehi.tokenizer.comparison import compare, refuse_other_ids
from kakehi.tokenizer.encoding import open_encoder
from kakehi.tokenizer.huggingface import write_config, write_tokenizer_json
from kakehi.tokenizer.training import Trained, train

#: Texts that show what a converted model does otherwise: spaces, newlines, marks, what no piece is for.
TEXTS = [
    "",
    " ",
    "  a  b ",
    "\n\n先生は\n 本を\t",
    "①㈱髙𠮷🤗",
    "か\u3099ﾊﾟｶﾞ",
    "a▁b",
    "\u3000字\u3000",
    "x</s><s> <unk><0x41>y<|im_end|>",
    "<|user|>私<|u私ること図書館",
]

#: Parameters of SentencePiece's trainer, which has its own defaults: nmt_nfkc, a dummy space, spaces made one.
MODELS = {
    "defaults": {},
    "defaults with bytes and a newline": {"byte_fallback": True, "user_defined_symbols": ["\n", "①"]},
    "bpe with defaults": {"model_type": "bpe", "byte_fallback": True},
    "llama": {
        "model_type": "bpe",
        "byte_fallback": True,
        "normalization_rule_name": "identity",
        "remove_extra_whitespaces": False,
        "split_digits": True,
    },
}


def spm(sentences: list[str], **parameters: object) -> bytes:
    """Train with SentencePiece itself."""
    written = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences),
        model_writer=written,
        vocab_size=520,
        hard_vocab_limit=False,
        minloglevel=2,
        **parameters,
    )
    return written.getvalue()


def twins(sentences: list[str]) -> Iterator[tuple[str, bytes]]:
    """Yield models of ours and of others that can be written, by name."""
    for model in ("unigram", "bpe"):
        symbols = {"user_symbols": ("<|user|>", "<|u", "ること"), "control_symbols": ("<|im_end|>", "<pad>")}
        yield f"ours, {model}", train(sentences, vocab_size=480, model=model, **symbols).model
    for name, parameters in MODELS.items():
        yield name, spm(sentences, **parameters)


def test_every_model_has_a_twin_with_its_ids(sentences: list[str]) -> None:
    """Ids and text of whatever is asked."""
    for name, model in twins(sentences):
        written = write_tokenizer_json(model)
        theirs = sentencepiece.SentencePieceProcessor(model_proto=model)
        twin = open_encoder(written.encode(), "tokenizer.json")
        for text in [*TEXTS, *sentences[:20], "\n".join(sentences[:9])]:
            ids = twin.encode(pa.array([text]))[0]
            assert ids.tolist() == theirs.encode(text), (name, text)
            if theirs.unk_id() not in ids:  # which it spells " ⁇ "
                assert twin.decode(ids) == theirs.decode(ids.tolist()), (name, text)
        refuse_other_ids(open_encoder(model, "sentencepiece"), twin, model, compare(twin, twin, TEXTS))


def test_a_control_piece_is_an_id_for_those_who_ask(unigram: Trained) -> None:
    """As an added token it is found by name, and in a text by who switches the splitting off."""
    import tokenizers  # noqa: PLC0415 - heavy

    twin = tokenizers.Tokenizer.from_str(write_tokenizer_json(unigram.model))
    assert twin.token_to_id("</s>") == 2
    assert twin.encode("は</s>").ids[-1] == 2
    twin.encode_special_tokens = True
    assert 2 not in twin.encode("は</s>").ids
    assert twin.get_vocab_size() == 420
    assert write_tokenizer_json(unigram.model) == write_tokenizer_json(unigram.model)


def test_what_no_tokenizer_json_can_do_is_refused(sentences: list[str]) -> None:
    """The error says what it is."""
    for parameters, said in (
        ({"model_type": "char"}, "got 'char', wanted 'unigram' or 'bpe'"),
        ({"treat_whitespace_as_suffix": True}, "puts spaces behind words"),
        ({"control_symbols": ["※"]}, "got '※' as a piece that no text becomes"),
    ):
        with pytest.raises(ValueError, match=said):
            write_tokenizer_json(spm(sentences, **parameters))


def test_the_config_names_the_pieces_that_have_a_role(
    sentences: list[str], unigram: Trained, byte_level: bytes
) -> None:
    """Those of a SentencePiece model by its file, those of a tokenizer.json by their spelling."""
    config = json.loads(write_config(unigram.model, "sentencepiece"))
    assert config == {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "unk_token": "<unk>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "split_special_tokens": True,
        "clean_up_tokenization_spaces": False,
    }
    found = json.loads(write_config(byte_level, "tokenizer.json"))
    assert {name: found[name] for name in found if name.endswith("_token")} == {
        "bos_token": "<s>",
        "eos_token": "</s>",
    }
