"""A sample of kept text: the same whatever the shards, and that of a slow twin."""

import numpy as np
import pyarrow as pa
import pytest

from kakehi.pipeline.engines.inline import Inline
from kakehi.pipeline.stages import train_sample as module
from kakehi.pipeline.stages.train_sample import draw
from kakehi.tokenizer.sampling import ranks


def shards_of(make, root, batch, kept, borders):
    """Write the documents in pieces."""
    verdicts = pa.array([None if k else "x:y" for k in kept], pa.string())
    made = []
    for number, (start, stop) in enumerate(zip([0, *borders], [*borders, len(batch)], strict=True)):
        verdict = pa.record_batch({"verdict": verdicts.slice(start, stop - start)})
        made.append(make.shard(root, number, documents=batch.slice(start, stop - start), verdict=verdict))
    return make.inputs(*made)


def slowly(batch, kept, seed, budget, thin):
    """Sort all by rank, take until there is enough, and give the texts by id: all, and the few."""
    rows = zip(
        ranks(batch.column("id"), seed).tolist(),
        batch.column("id").to_pylist(),
        batch.column("text").to_pylist(),
        kept,
        strict=True,
    )
    chosen = []
    for row in sorted(row for row in rows if row[3]):
        if sum(len(text) for _, _, text, _ in chosen) >= budget:
            break
        chosen.append(row)
    by_id = [sorted((ident, text) for _, ident, text, _ in part) for part in (chosen, chosen[:thin])]
    return [[text for _, text in part] for part in by_id]


@pytest.mark.slow
@pytest.mark.parametrize("borders", [[], [1, 1, 40], list(range(5, 100, 5))])
@pytest.mark.parametrize("budget", [1, 900, 5000, 10**9])
def test_the_sample_is_that_of_the_slow_twin(make, tmp_path, monkeypatch, borders, budget):
    """Whatever the shards, and with more of them than files."""
    monkeypatch.setattr(module, "_FILES", 3)
    batch = make.documents([make.text(i, 1 + i % 4) for i in range(100)])
    kept = np.random.default_rng(1).random(100) < 0.7
    found = draw(
        shards_of(make, tmp_path, batch, kept, borders), Inline(), seed=5, characters=budget, thin_documents=7
    )
    assert len(found.files) <= 3 or borders == []
    wanted, few = slowly(batch, kept, 5, budget, 7)
    assert (list(found.texts()), list(found.thinned())) == (wanted, few)
    assert found.documents == len(wanted)


def test_what_is_written_is_not_written_again(make, tmp_path):
    """After a kill, files that are whole stay."""
    batch = make.documents([make.text(i) for i in range(9)])
    inputs = shards_of(make, tmp_path, batch, [True] * 9, [4])
    budget = {"seed": 1, "characters": 10**9, "thin_documents": 3}
    first = draw(inputs, Inline(), **budget)
    before = [(path, path.stat().st_ino) for path in first.files]
    first.files[1].unlink()
    again = draw(inputs, Inline(), **budget)
    assert list(again.texts()) == sorted_texts(batch)
    assert before[0] == (again.files[0], again.files[0].stat().st_ino)


def sorted_texts(batch):
    """Give the texts by id."""
    rows = zip(batch.column("id").to_pylist(), batch.column("text").to_pylist(), strict=True)
    return [text for _, text in sorted(rows)]
