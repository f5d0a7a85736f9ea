"""pack: ids of every shard to one binary, with the document of every token beside it."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.stages.pack import pack
from kakehi.tokenizer.packed.provenance import lookup
from kakehi.tokenizer.training import train


@pytest.fixture(scope="module")
def folder(make, tmp_path_factory):
    """Give the folder of a small tokenizer."""
    root = tmp_path_factory.mktemp("tokenizer")
    lines = [line for i in range(30) for line in make.text(i).split("\n")]
    (root / "tokenizer.model").write_bytes(train(lines, vocab_size=400, num_threads=1).model)
    return root


def packed(make, root, folder, *shards):
    """Pack shards of lists of ids; give the tokens, the table and the counts."""
    made = []
    for i, lists in enumerate(shards):
        ids = pa.array(lists, pa.large_list(pa.uint16()))
        documents = make.documents([f"{i} {j}" for j in range(len(lists))], source=f"s{i}")
        made.append(make.shard(root, i, documents=documents, tokens=pa.record_batch({"ids": ids})))
    out = root / "out"
    out.mkdir(parents=True)
    counts = pack(make.inputs(*made, tokenizer=folder), out, Inline())
    tokens = np.fromfile(out / "c_text_document.bin", np.uint16).tolist()
    return tokens, pq.ParquetFile(out / "c_text_document.provenance.parquet"), counts


def test_documents_lie_in_order_and_are_found_again(make, folder, tmp_path):
    """Null rows are left out, and keep their row numbers."""
    tokens, table, counts = packed(make, tmp_path, folder, [[5, 2], None, [7, 2]], [None], [[9, 9, 2]])
    assert tokens == [5, 2, 7, 2, 9, 9, 2]
    assert counts == {"documents": 3, "tokens": 7, "bytes": 14}
    assert [(r["source"], r["shard"], r["row"], r["tokens"]) for r in table.read().to_pylist()] == [
        ("s0", "shard-0", 0, 2),
        ("s0", "shard-0", 2, 2),
        ("s2", "shard-2", 0, 3),
    ]
    assert lookup(table, 3)["row"] == 2
    with pytest.raises(ValueError, match="got 7"):
        lookup(table, 7)


@pytest.mark.parametrize("shards", [[], [[]], [[None]], [[], [None, None]]])
def test_nothing_to_pack(make, folder, tmp_path, shards):
    """No reader maps an empty file, so none is left behind."""
    with pytest.raises(ValueError, match="got no document"):
        packed(make, tmp_path, folder, *shards)
    assert not list((tmp_path / "out").glob("*.bin"))
