"""sign: one column of keys a band; equal texts have equal keys."""

import pyarrow as pa

from kakehi.pipeline.stages.sign import sign


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
