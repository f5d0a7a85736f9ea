"""sign: one column of keys a band; equal texts have equal keys."""

import json

import pyarrow as pa
import pytest
from pydantic import ValidationError

from kakehi.filters.duplicates.bands import best_bands
from kakehi.pipeline.stages.dedupe.sign import STAGE, Target, describe, sign
from kakehi.pipeline.stages.dedupe.signing import PRESETS


def test_equal_texts_have_equal_keys(make):
    """And different ones have none in common."""
    text, other = make.text(1), make.text(2)
    found = sign(make.documents([text, other, text]), bands=3, rows=8)
    assert found.schema.names == ["key_0", "key_1", "key_2"]
    assert set(found.schema.types) == {pa.uint64()}
    for column in found.to_pydict().values():
        assert column[0] == column[2] != column[1]


def test_the_seed_decides(make):
    """Another seed gives other keys."""
    batch = make.documents([make.text(1)])
    assert sign(batch, seed=1) != sign(batch, seed=2)
    assert sign(batch, seed=1) == sign(batch, seed=1)


def test_no_rows(make):
    """An empty batch has the columns all the same."""
    found = sign(make.documents([]))
    assert (found.num_rows, found.num_columns) == (0, 14)


@pytest.mark.parametrize(
    ("preset", "bands"), [("swallow", 40), ("refinedweb", 450), ("fineweb2", 14), ("llmjp-v4", 20)]
)
def test_presets(make, preset, bands):
    """A preset decides unit, n, scheme, bands and rows; what was chosen travels with the keys."""
    found = sign(make.documents([make.text(1), make.text(2), make.text(1)]), preset=preset, bands=3, seed=5)
    assert found.num_columns == bands
    said = json.loads(found.schema.metadata[b"kakehi.signed"])
    assert said == PRESETS[preset]._asdict() | {"level": "key", "seed": 5}
    for column in found.to_pydict().values():
        assert column[0] == column[2] != column[1]


def test_a_target_decides_bands_and_rows(make):
    """As many as catch what is wanted."""
    found = sign(make.documents([make.text(1)]), target=Target(similarity=0.8, recall=0.9, hashes=64))
    said = json.loads(found.schema.metadata[b"kakehi.signed"])
    assert (said["bands"], said["rows"]) == best_bands(0.8, hashes=64, recall=0.9)


def test_a_target_out_of_reach_is_a_bad_parameter():
    """The manifest is refused, with what was asked for."""
    with pytest.raises(ValidationError, match=r"4 hashes catch no 0.99 of pairs at 0.5, wanted more hashes"):
        filled(target={"similarity": 0.5, "recall": 0.99, "hashes": 4})


def test_scipy_decides_bands_of_a_target_alone():
    """Bands are chosen by it: its version is in the address of who names a target, and in no other's."""
    assert STAGE.libraries_for(filled()) == ("datasketch", "numpy")
    target = {"similarity": 0.8, "recall": 0.9}
    assert STAGE.libraries_for(filled(target=target)) == ("datasketch", "numpy", "scipy")


def filled(**given):
    """Fill in the defaults."""
    return STAGE.model()(**given).model_dump()


def test_the_plan_says_what_will_be_caught():
    """By the numbers that will be used: those of the preset or the target where there is one."""
    assert describe(filled()) == (
        "14 × 8 affine32 of 5 characters, similarity 0.5 ▁▁▂▃▅▇█████ 1: 56.5 / 92.4 / 100.0 % of pairs at 0.7 / 0.8 / 0.9 meet"
    )
    assert "40 × 20 fss of 5 characters" in describe(filled(preset="swallow"))
    assert "3.1 / 37.1 / 99.4 %" in describe(filled(preset="swallow"))
    bands, rows = best_bands(0.8, hashes=128, recall=0.9)
    assert describe(filled(target={"similarity": 0.8, "recall": 0.9})).startswith(
        f"{bands} × {rows} affine32"
    )


def test_keys_are_those_of_the_text_levelled(make):
    """At level `key`, width, case and blanks do not matter; dakuten do, and `training` takes texts as they are stored."""
    spelt = make.documents(
        ["東京都ではＡＢＣを学ぶ。" * 9, "東京 都 では abc を学ぶ。" * 9, "東京都てはABCを学ふ。" * 9]
    )
    for level, alike in (("key", True), ("training", False)):
        for column in sign(spelt, level=level).to_pydict().values():
            assert (column[0] == column[1]) is alike
            assert column[2] not in column[:2]
