"""train: a seeded sample of the kept text to a tokenizer, or an existing one adopted."""

import json

import pyarrow as pa
import pytest

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.errors import DataError, ParameterError
from kakehi.pipeline.stages.encode import load_encoder
from kakehi.pipeline.stages.train import train

SMALL = {"vocab_size": 400, "num_threads": 1}


def trained(make, root, shards, **parameters):
    """Train on shards of (texts, verdicts); give the folder and the counts."""
    made = []
    for i, (texts, verdicts) in enumerate(shards):
        verdict = pa.record_batch({"verdict": pa.array(verdicts, pa.string())})
        made.append(make.shard(root, i, documents=make.documents(texts, source=f"s{i}"), verdict=verdict))
    out = root / "out"
    out.mkdir(parents=True)
    return out, train(make.inputs(*made), out, Inline(), **{**SMALL, **parameters})


def texts(make, count):
    """Give texts to learn from."""
    return [make.text(i) for i in range(count)]


def test_a_model_is_trained_and_evaluated(make, tmp_path):
    """Only kept text is learnt from."""
    out, counts = trained(make, tmp_path, [(texts(make, 30), [None] * 30), (["𰻞" * 400], ["x:y"])])
    encoder = load_encoder(out)
    assert counts["vocab_size"] == encoder.vocab_size == 400
    assert counts["sampled_documents"] == 30
    assert "𰻞" not in (out / "tokenizer.vocab").read_text(encoding="utf-8")
    found = json.loads((out / "evaluation.json").read_text(encoding="utf-8"))
    assert {f"evaluation/{name}" for name, value in found.items() if isinstance(value, int)} <= counts.keys()


def test_others_get_the_tokenizer_too(make, tmp_path, monkeypatch):
    """A tokenizer.json and its config lie beside the model, compared with it on as much text as is asked for."""
    monkeypatch.setattr("kakehi.pipeline.stages.train.COMPARED_CHARACTERS", 1)
    out, counts = trained(make, tmp_path, [(texts(make, 30), [None] * 30)])
    assert load_encoder(out).kind == "sentencepiece"
    config = json.loads((out / "tokenizer_config.json").read_bytes())
    assert config.items() >= {"eos_token": "</s>"}.items()
    own = out / "tokenizer.json"
    assert json.loads(own.read_bytes())["model"]["type"] == "Unigram"
    wanted = {"huggingface/documents": 1, "huggingface/differing": 0, "huggingface/written": 1}
    assert {name: value for name, value in counts.items() if name.startswith("huggingface")} == wanted
    again, _ = trained(make, tmp_path / "2", [(texts(make, 30), [None] * 30)], existing=own)
    assert (again / "tokenizer.json").read_bytes() == own.read_bytes()
    assert load_encoder(again).kind == "tokenizer.json"
    assert (again / "tokenizer_config.json").exists()


def test_the_sample_hangs_on_the_seed_and_the_budget(make, tmp_path):
    """The same seed learns from the same text, another from other text."""
    shards = [(texts(make, 60), [None] * 60)]
    one, counts = trained(make, tmp_path / "1", shards, sample_characters=8000)
    two, _ = trained(make, tmp_path / "2", shards, sample_characters=8000)
    three, _ = trained(make, tmp_path / "3", shards, sample_characters=8000, seed=2)
    assert 20 <= counts["sampled_documents"] < 40
    models = [(folder / "tokenizer.model").read_bytes() for folder in (one, two, three)]
    assert models[0] == models[1] != models[2]


@pytest.mark.parametrize("shards", [[], [([], [])], [(["あ"], ["x:y"])]])
def test_nothing_to_learn_from(make, tmp_path, shards):
    """It says so."""
    with pytest.raises(DataError, match="no document was kept"):
        trained(make, tmp_path, shards)


def test_an_existing_model_is_adopted(make, tmp_path):
    """Byte for byte, and evaluated on this corpus, even on none."""
    shards = [(texts(make, 30), [None] * 30)]
    first, _ = trained(make, tmp_path / "1", shards)
    model = tmp_path / "own.model"
    model.write_bytes((first / "tokenizer.model").read_bytes())
    second, counts = trained(make, tmp_path / "2", shards, existing=model)
    assert (second / "tokenizer.model").read_bytes() == model.read_bytes()
    assert counts["vocab_size"] == 400
    third, _ = trained(make, tmp_path / "3", [([], [])], existing=model)
    assert (third / "evaluation.json").exists()


@pytest.mark.parametrize(
    ("name", "kind"), [("x.model", DataError), ("x.json", DataError), ("x.txt", ParameterError)]
)
def test_what_is_no_tokenizer(make, tmp_path, name, kind):
    """The file is named."""
    (tmp_path / name).write_bytes(b"no model")
    with pytest.raises(kind, match=rf"train\.existing: .*{name}"):
        trained(make, tmp_path / "w", [(["あ"], [None])], existing=tmp_path / name)
