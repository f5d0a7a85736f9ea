"""A tokenizer that loses text stops the run before anything is encoded, unless that may be so; it is always said."""

import io
import json

import pytest
import sentencepiece
import tokenizers

from kakehi.pipeline.execution.tokenizer_loss import _unknown

MANIFEST = "corpus: c\nsources: {s: {ingest: {files: a.jsonl, normalise: archive}}}\ntrain: {existing: %s}\nencode: {%s}\n"


@pytest.fixture(scope="module")
def texts(make):
    """Give texts of several lines."""
    return [make.text(i) for i in range(20)]


def spm(texts, **parameters):
    """Train with SentencePiece's own defaults but for these."""
    written = io.BytesIO()
    lines = [line for text in texts for line in text.split("\n")]
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=written,
        vocab_size=500,
        hard_vocab_limit=False,
        minloglevel=2,
        **parameters,
    )
    return written.getvalue()


@pytest.fixture
def run(make, kakehi, tmp_path):
    """Give a run of an existing tokenizer on texts, as a function; the work folder stays the same."""
    written = None

    def run(name, model, texts, encode="eod: </s>"):
        nonlocal written
        (tmp_path / name).write_bytes(model)
        if texts is not written:
            make.jsonl(tmp_path / "a.jsonl", [{"text": text} for text in texts])
        written = texts
        manifest = make.file(tmp_path / "m.yaml", MANIFEST % (name, encode))
        return kakehi("run", manifest, "--work", tmp_path / "w")

    return run


def test_a_model_that_drops_newlines_is_refused_until_accepted(run, texts, tmp_path):
    """SentencePiece's defaults: exit code 3 before encoding, every time; accepted, nothing is trained anew and it is said."""
    model = spm(texts, byte_fallback=True)
    for _ in range(2):
        said = run("t5.model", model, texts)
        assert said.code == 3
        assert "train: the tokenizer loses text: 20 of 20 sampled documents do not come back" in said.err
        assert "accept_loss: true in encode" in said.err
        assert not (tmp_path / "w" / "encode").exists()
    said = run("t5.model", model, texts, "eod: </s>, accept_loss: true")
    assert said.code == 0, said.err
    assert "\ntrain  " not in said.err
    for _ in range(2):
        assert (
            "warning: train: the tokenizer loses text: 20 of 20 sampled documents do not come back"
            in said.err
        )
        said = run("t5.model", model, texts, "eod: </s>, accept_loss: true")
    assert run("t5.model", model, texts).code == 3


def test_unknown_tokens_are_refused_and_counted_over_all(run, texts):
    """A tokenizer.json that knows one character: the share is said of the sample and of all tokens."""
    vocab = {"<unk>": 0, "</s>": 1, "。": 2}
    model = tokenizers.Tokenizer(tokenizers.models.WordLevel(vocab, unk_token="<unk>"))  # noqa: S106 - a piece
    model.pre_tokenizer = tokenizers.pre_tokenizers.Split("", "isolated")
    model.add_special_tokens(["</s>"])
    said = run("unk.json", model.to_str().encode(), texts)
    assert said.code == 3
    assert "tokens of the sample are unknown (9" in said.err
    said = run("unk.json", model.to_str().encode(), texts, "eod: </s>, accept_loss: true")
    assert said.code == 0
    assert "warning: encode: the tokenizer loses text: " in said.err


def test_nfkc_alone_and_a_little_loss_are_said_and_go_on(run, texts, tmp_path):
    """Full-width letters come back narrow, one document of 101 loses its newline: no error."""
    model = spm(
        [*texts, "ＡＢＣ１２３"], byte_fallback=True, remove_extra_whitespaces=False, add_dummy_prefix=False
    )
    lines = [line for text in texts for line in text.split("\n")][:99]
    said = run("nmt.model", model, [*lines, "ＡＢＣ", "私\n本"])
    assert said.code == 0, said.err
    assert "loses text: 1 of 101 sampled documents do not come back" in said.err
    assert "warning: train: 1 of 101 sampled documents come back normalised (NFKC)" in said.err
    [receipt] = (tmp_path / "w" / "train").rglob("receipt.json")
    counts = json.loads(receipt.read_bytes())["counts"]
    assert (counts["evaluation/round_trip_failures"], counts["evaluation/nfkc_differences"]) == (1, 1)


def test_what_only_the_whole_shows_is_refused_after_encoding(run, texts, monkeypatch):
    """A sample without the text that is lost lets it go; the tokens of all do not."""
    monkeypatch.setattr("kakehi.pipeline.stages.train.EVALUATION_DOCUMENTS", 1)
    model = spm(
        texts, normalization_rule_name="identity", remove_extra_whitespaces=False, add_dummy_prefix=False
    )
    short = [line for text in texts for line in text.split("\n")][:150]
    codes = set()
    for at in range(4):
        said = run("a.model", model, [*short, *("𰻞鬱" * 3 + str(at * 10 + i) for i in range(80))])
        codes.add(said.code)
        if "loses text" in said.err and "train:" not in said.err:
            assert "error: encode: the tokenizer loses text" in said.err
            assert said.code == 3
            return
    pytest.fail(f"every sample had lost text: {codes}")


def test_a_lossless_tokenizer_says_nothing(run, texts):
    """Byte-level BPE, on no, empty and English text."""
    model = tokenizers.Tokenizer(tokenizers.models.BPE())
    model.pre_tokenizer = tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)
    model.decoder = tokenizers.decoders.ByteLevel()
    trainer = tokenizers.trainers.BpeTrainer(
        special_tokens=["</s>"],
        initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
        vocab_size=300,
    )
    model.train_from_iterator(texts, trainer)
    for given in (["Only  English\n text.", "x"], texts):
        said = run("own.json", model.to_str().encode(), given)
        assert said.code == 0, said.err
        assert "warning" not in said.err


def test_a_tokenizer_json_that_can_not_be_written_is_said(run, texts):
    """A model of characters has none; the run goes on."""
    model = spm(texts, model_type="char", normalization_rule_name="identity", user_defined_symbols=["\n"])
    said = run("char.model", model, [text.replace(" ", "") for text in texts])
    assert said.code == 0, said.err
    assert (
        "warning: train: no tokenizer.json for Hugging Face: model: got 'char', wanted 'unigram' or 'bpe'"
        in said.err
    )


def test_all_of_them_is_a_hundred_percent():
    """No share is written as a power of ten."""
    assert [*_unknown({"unknown_tokens": 40, "tokens": 40}, "tokens")] == [
        "40 of 40 tokens are unknown (100 %)"
    ]


def test_a_mark_that_others_make_of_texts_is_said(run, texts):
    """A user-defined end mark never comes of a text in encode, but does in whoever opens the model's files."""
    plain = {"add_dummy_prefix": False, "remove_extra_whitespaces": False, "byte_fallback": True}
    model = spm(texts, user_defined_symbols=["\n", "<EOD>"], normalization_rule_name="identity", **plain)
    said = run("user.model", model, texts, "eod: <EOD>")
    assert said.code == 0
    assert "warning: encode: eod '<EOD>' is a piece that texts become outside encode" in said.err
    assert "texts become" not in run("user.model", model, texts, "eod: </s>").err
