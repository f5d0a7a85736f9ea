"""The sample depends on ids and seed alone, and its lines are ones no trainer skips."""

import io

import numpy as np
import pyarrow as pa
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.tokenizer.sampling import MAX_LINE_BYTES, choose, cut, cut_lines, ranks
from kakehi.tokenizer.training import train

IDS = [i.to_bytes(16, "little") for i in range(1000)]


def ranks_slowly(ids: list[bytes], seed: int) -> list[int]:
    """Mix the two halves of each id with Python's integers."""

    def mix(x: int) -> int:
        x = (x + 0x9E3779B97F4A7C15) % 2**64
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB % 2**64
        return x ^ (x >> 31)

    halves = [(int.from_bytes(i[:8], "little"), int.from_bytes(i[8:], "little")) for i in ids]
    return [mix(high ^ mix(low ^ mix(seed))) for low, high in halves]


def test_ranks_equal_the_slow_twin_on_a_slice() -> None:
    """An offset of the column is honoured."""
    column = pa.array(IDS, pa.binary(16)).slice(3, 500)
    assert ranks(column, 7).tolist() == ranks_slowly(IDS[3:503], 7)


def test_ranks_are_uniform_and_depend_on_the_seed() -> None:
    """Consecutive ids spread over the whole range, differently for each seed."""
    column = pa.array(IDS, pa.binary(16))
    assert abs(ranks(column, 1).mean() / 2**64 - 0.5) < 0.05
    assert not np.intersect1d(ranks(column, 1), ranks(column, 2)).size


def test_ranks_refuse_other_ids() -> None:
    """Strings and nulls are refused by name."""
    with pytest.raises(ValueError, match=r"ids: got string.*wanted fixed_size_binary\[16\]"):
        ranks(pa.array(["a"]), 1)
    with pytest.raises(ValueError, match="1 nulls"):
        ranks(pa.array([None], pa.binary(16)), 1)


def test_choose_takes_the_lowest_ranks_until_the_budget() -> None:
    """The document that reaches the budget is the last one taken."""
    chosen = choose(np.array([5, 1, 3, 2], np.uint64), np.array([10, 10, 10, 10]), 25)
    assert chosen.tolist() == [False, True, True, True]


def test_choose_takes_all_when_the_budget_is_larger() -> None:
    """A small corpus is taken whole."""
    assert choose(np.array([5, 1], np.uint64), np.array([10, 10]), 100).all()


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 50)), min_size=1, max_size=30),
    st.integers(1, 400),
    st.randoms(),
)
def test_choose_knows_no_order(rows: list[tuple[int, int]], budget: int, random) -> None:
    """Shuffled rows, ties of rank included, give the same documents."""
    order = list(range(len(rows)))
    random.shuffle(order)
    rank, length = np.array(rows, np.uint64)[:, 0], np.array(rows)[:, 1]
    assert np.array_equal(choose(rank[order], length[order], budget), choose(rank, length, budget)[order])


def test_lines_are_cut_at_the_best_mark() -> None:
    """。 comes before ！ and 、, and a mark before a space."""
    assert list(cut("あ、い。う！え", 20)) == ["あ、い。", "う！え"]
    assert list(cut("あ、い！うえお", 18)) == ["あ、い！", "うえお"]
    assert list(cut("ab cd、efgh", 10)) == ["ab cd、", "efgh"]
    assert list(cut("abcd efgh", 6)) == ["abcd ", "efgh"]
    assert list(cut("𠮷𠮷𠮷", 10)) == ["𠮷𠮷", "𠮷"]


@settings(max_examples=100)
@given(
    st.text(st.characters(codec="utf-8") | st.sampled_from("。、！ \n𠮷あ"), max_size=80), st.integers(4, 40)
)
def test_no_piece_is_too_long_and_nothing_is_lost(text: str, limit: int) -> None:
    """Joined, the pieces are the text without newlines; each keeps to the limit in bytes."""
    pieces = list(cut_lines(text, limit))
    assert "".join(pieces) == text.replace("\n", "")
    assert all(0 < len(piece.encode()) <= limit for piece in pieces)


def test_the_real_trainer_skips_no_cut_line() -> None:
    """A character that occurs only in over-long lines gets its piece; uncut, SentencePiece drops the line."""
    text = "\n".join("私は本を読んだ。" * 300 + mark for mark in "鬱薔薇檸檬")
    model = train(cut_lines(text), vocab_size=274, character_coverage=1.0).model
    assert _characters(model) >= set("鬱薔薇檸檬")
    uncut = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter([*text.split("\n"), "私は本を読んだ。"]),
        model_writer=uncut,
        vocab_size=275,
        byte_fallback=True,
        hard_vocab_limit=False,
        minloglevel=2,
    )
    assert not _characters(uncut.getvalue()) & set("鬱薔薇檸檬")


def test_the_limit_counts_bytes() -> None:
    """1,397 kana fit into 4,192 bytes, and not one more."""
    assert [len(piece) for piece in cut_lines("あ" * 2000)] == [
        MAX_LINE_BYTES // 3,
        2000 - MAX_LINE_BYTES // 3,
    ]


def _characters(model: bytes) -> set[str]:
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model)
    return set("".join(pieces.id_to_piece(i) for i in range(pieces.vocab_size())))
