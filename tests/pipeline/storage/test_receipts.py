"""A receipt is believed as it was written, and not otherwise."""

import json
from pathlib import Path

from kakehi.pipeline.storage.receipts import Output, Receipt, plain_receipt, read_receipt

RECEIPT = Receipt(
    step="measure",
    source="s",
    shard="all-1",
    address="aa",
    inputs=({"name": "あ.jsonl", "size": 3},),
    outputs=(Output(name="s/all-1.parquet", size=4, sha256="00"),),
    counts={"rows": 3},
    seconds=0.25,
)


def test_what_is_written_is_read_and_any_other_byte_is_damage(tmp_path: Path) -> None:
    """Every value is under the digest."""
    path, plain = tmp_path / "r.json", plain_receipt(RECEIPT)
    path.write_text(json.dumps(plain))
    assert read_receipt(path) == RECEIPT
    for key in plain:
        changed = {
            **plain,
            key: [1] if key in {"inputs", "outputs"} else {"a": 1} if key == "counts" else "b",
        }
        path.write_text(json.dumps(changed))
        assert read_receipt(path) is None, key


def test_a_receipt_of_before_is_believed_if_its_types_are_right(tmp_path: Path) -> None:
    """No digest, every type right; a wrong type, foreign JSON, or no outputs is damage, never a traceback."""
    path, plain = tmp_path / "r.json", plain_receipt(RECEIPT)
    del plain["digest"]
    path.write_text(json.dumps(plain))
    assert read_receipt(path) == RECEIPT
    output = plain["outputs"][0]
    wrong = [
        *({**plain, "outputs": value} for value in (None, {}, "ab", [], [1], [{}], [{**output, "name": 5}])),
        *({**plain, "outputs": [{**output, "size": value}]} for value in ("4", None, True, -1, [])),
        *({**plain, "counts": value} for value in (None, [], {"a": "1"}, {"a": 1.5}, {"a": None})),
        *({**plain, name: value} for name in ("seconds", "peak_bytes") for value in ("1", None, {}, 1e300)),
        *({**plain, "inputs": value} for value in (None, 3, {"a": 1}, [1], ["a"])),
        *([], "text", 3, None, {"name": "foreign"}, [[]], {**plain, "more": 1}),
    ]
    for content in [*map(json.dumps, wrong), "[" * 100_000, "", "\0", '{"outputs": NaN}']:
        path.write_text(content)
        assert read_receipt(path) is None, content[:80]
