"""pack refuses what no corpus could be packed as, and says where and the way out."""

from typing import Any

from kakehi.pipeline.stages.pack.index import STAGE as INDEX
from kakehi.pipeline.stages.pack.pack import STAGE
from kakehi.pipeline.stages.stage import Asked
from kakehi.pipeline.stages.train import STAGE as TRAIN


def told(vocab_size: int = 1000, sources: tuple[str, ...] = ("a", "b"), **parameters: Any) -> list[str]:
    """List what is refused."""
    filled = STAGE.model().model_validate(parameters).model_dump()
    tokenizer = TRAIN.model().model_validate({"vocab_size": vocab_size}).model_dump()
    assert STAGE.refuse is not None
    found = STAGE.refuse(Asked(filled, {"tokenizer": [tokenizer]}, {name: {} for name in sources}))
    return [f"{'.'.join(map(str, place))}: {said}" for place, said in found]


def test_a_mix_names_every_source_and_asks_for_something() -> None:
    """Half a row of one source is enough; weights are all or none."""
    for mix in (
        {"a": 64, "b": 0},
        {"a": {"epochs": 0.001}, "b": 0},
        {"a": {"weight": 1}, "b": {"weight": 0}},
    ):
        assert told(sequence_tokens=128, mix=mix) == [], mix
    nothing = "mix: asks for nothing: no source gives half a row of 128 tokens; null is one epoch of each"
    for mix in ({"a": 63, "b": 0}, {"a": {"epochs": 0}, "b": 0}, {"a": {"weight": 0}, "b": {"weight": 0}}):
        assert told(sequence_tokens=128, mix=mix) == [nothing], mix
    assert told(mix={"aa": {"epochs": 1}, "b": {"weight": 1}}) == [
        "mix.aa: no source of this name; did you mean 'a'?",
        "mix: lacks the source 'a'; a: {epochs: 0} leaves it out",
        "mix: got weights beside tokens or epochs of ['aa'], wanted all or none",
    ]


def test_a_tile_is_counted_in_31_bits() -> None:
    """Of 2 or 4 bytes, as the vocabulary has it; plain files have no tiles."""
    assert told(sequence_tokens=1 << 20, tile_rows=1023) == []
    [said] = told(sequence_tokens=1 << 20, tile_rows=1024)
    assert said == "tile_rows: got 1024 rows of 2097152 bytes, wanted less than 2**31 bytes; 1 rows are 1 MiB"
    assert told(70_000, sequence_tokens=1 << 20, tile_rows=512)
    assert told(sequence_tokens=1 << 20, tile_rows=1024, layout="stock") == []


def test_a_file_holds_a_row_a_lane_and_the_guard_row() -> None:
    """Of 256 bytes each here."""
    rows = {"sequence_tokens": 128, "lanes": 4}
    assert told(**rows, file_gb=1280e-9) == []
    [said] = told(**rows, file_gb=1279e-9)
    assert said.startswith("file_gb: got 1.279e-06, wanted at least 1.28e-06: 4 rows and the guard")
    assert told(**rows, file_gb=512e-9, layout="stock") == []
    assert told(**rows, file_gb=511e-9, layout="stock")


def test_a_size_has_one_number_of_copies() -> None:
    """Pairs may come in any order, each size once."""
    assert told(copies=[[2, 3], [2, 5], [7, 1]]) == ["copies: names the size 2 more than once"]
    assert STAGE.model().model_validate({"copies": [[5, 2], [2, 3]]}).model_dump()["copies"] == [
        (2, 3),
        (5, 2),
    ]


def test_ranks_share_a_batch_evenly() -> None:
    """Each rank has as many micro batches of a step as every other."""
    assert (
        indexed(jobs=[{"micro_batch": 2, "data_parallel": 4, "global_batch": 16}, {"data_parallel": 3}]) == []
    )
    assert indexed(
        jobs=[{"data_parallel": 2}, {"micro_batch": 2, "data_parallel": 4, "global_batch": 12}]
    ) == ["jobs.1.global_batch: got 12, wanted a multiple of 8, micro batch × data-parallel size"]


def indexed(**parameters: Any) -> list[str]:
    """List what `index` refuses."""
    packed = STAGE.model().model_validate({}).model_dump()
    filled = INDEX.model().model_validate(parameters).model_dump()
    assert INDEX.refuse is not None
    found = INDEX.refuse(Asked(filled, {"packed": [packed]}, {}))
    return [f"{'.'.join(map(str, place))}: {said}" for place, said in found]
