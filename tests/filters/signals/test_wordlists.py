"""Words of a list are found where they are words, as a plain search with rules about their neighbours finds them."""

import re
from importlib.util import find_spec
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.signals.wordlists import WORDLISTS, evidence, locate, measure, read_words

NAMES = [signal.name for signal in WORDLISTS.signals]
LETTERS = "アスパラーｱあ猫ab1é 。𠮷"
KATAKANA = "[ァ-ヺー-ヿㇰ-ㇿｦ-ﾟ]"
LATIN = "[0-9A-Za-zÀ-ÖØ-öø-ɏ]"


@pytest.fixture
def words(tmp_path):
    """Give a function that writes a list."""

    def write(*lines, encoding="utf-8"):
        path = tmp_path / "words.txt"
        path.write_bytes("\n".join(lines).encode(encoding))
        return path

    return write


def measured(text, path, **options):
    """Return the signals of one text by name."""
    columns = measure(pa.array([text]), words=path, **options)
    return {name: column[0].as_py() for name, column in zip(NAMES, columns, strict=True)}


def slowly(text, listed, guard, match):
    """Try every word at every place."""
    if guard == "english":
        text, listed = text.lower(), list(dict.fromkeys(word.lower() for word in listed))
    if match == "longest":
        listed = sorted(listed, key=lambda word: -len(word))
    elif guard == "katakana":
        listed = sorted(listed, key=lambda word: bool(re.fullmatch("[ァ-ヴー]+", word)))
    hits, i = [], 0
    while i < len(text):
        here = [w for w in listed if text.startswith(w, i) and free(text[:i], w, text[i + len(w) :], guard)]
        hits += here[:1]
        i += len(here[0]) if here else 1
    return hits


def free(before, word, after, guard):
    """Tell whether a word goes on at neither end."""
    if guard == "english":
        return before[-1:] in {"", " "} and (after in {"", "\n"} or after[0] in " ,.")
    if guard == "none" or (guard == "katakana" and not re.fullmatch("[ァ-ヴー]+", word)):
        return True
    runs = [KATAKANA, LATIN] if guard == "script" else ["[ァ-ヴー]"]
    ends = ((before[-1:], word[0]), (word[-1], after[:1]))
    return not any(re.fullmatch(run, a) and re.fullmatch(run, b) for run in runs for a, b in ends)


@pytest.mark.slow
@settings(max_examples=500)
@given(
    text=st.text(st.sampled_from(LETTERS), max_size=40),
    listed=st.lists(
        st.text(st.sampled_from(LETTERS.replace(" ", "")), min_size=1, max_size=4),
        min_size=1,
        max_size=8,
        unique=True,
    ),
    guard=st.sampled_from(["script", "katakana", "english", "none"]),
    match=st.sampled_from(["longest", "first"]),
)
def test_hits_equal_their_twin(tmp_path_factory, text, listed, guard, match):
    """The kernel finds what the readable version finds."""
    path = tmp_path_factory.mktemp("list") / "words.txt"
    path.write_text("\n".join(listed), encoding="utf-8")
    hits = slowly(text, listed, guard, match)
    got = measured(text, path, guard=guard, match=match, normalise="none")
    assert (got["hits"], got["distinct_hits"], got["hit_chars"]) == (
        len(hits),
        len(set(hits)),
        len("".join(hits)),
    )


@settings(max_examples=300)
@given(st.text(st.sampled_from("AssKıİſ .,\n猫"), max_size=12))
def test_english_equals_hojichars_expression(tmp_path_factory, text):
    """A hit is there whenever HojiChar's expression finds one."""
    path = tmp_path_factory.mktemp("list") / "words.txt"
    path.write_text("Ass\nas k\nki", encoding="utf-8")
    found = re.search(r"(?:^| )(Ass|as\ k|ki)(?:( |,|\.)|$)", text, re.IGNORECASE)
    assert bool(measured(text, path, guard="english", normalise="none")["hits"]) == bool(found)


@pytest.mark.parametrize("guard", ["none", "katakana"])
def test_hits_equal_a_regular_expression(words, guard):
    """With `first` a list means what HojiChar's alternation means."""
    listed = ["アス", "ス", "パラ", "猫ア", "猫"]
    kata = "|".join(w for w in listed if w[0] != "猫")
    pattern = "|".join(listed) if guard == "none" else f"猫ア|猫|(?<![ァ-ヴー])(?:{kata})(?![ァ-ヴー])"
    for text in ("アスパラ", "猫アス", "パラ", "アス。ス・パラ猫", "スー"):
        hits = [hit.group() for hit in re.finditer(pattern, text)]
        got = measured(text, words(*listed), guard=guard, match="first", normalise="none")
        assert got["hits"] == len(hits), text


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("アス", "アスパラガス"),
        ("インポ", "データをインポートする"),
        ("スケ", "グレースケール"),
        ("ブス", "タブストップ"),
        ("sex", "Essex"),
    ],
)
def test_a_word_inside_a_word_is_no_hit(words, word, text):
    """A run of one script is one word; at its border, and beside another script, the word is hit."""
    assert measured(text, words(word))["hits"] == 0
    assert measured(text, words(word), guard="none")["hits"] == 1
    assert measured(f"この{word}は", words(word))["hits"] == 1


def test_shares_are_of_characters(words):
    """Of all characters, and of Swallow's Japanese letters."""
    got = measured("悪い猫 abc", words("悪い", "猫"))
    assert (got["hit_chars"], got["hit_share"], got["hit_swallow_share"]) == (3, 3 / 7, 1)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_lists_as_people_save_them(words, encoding):
    """BOMs, blank lines, blanks around words, CRLF and doublets are no words; width is that of the texts."""
    path = words("猫\r", "", "  犬 ", "猫", "ＡＢＣ", "\u3000", encoding=encoding)
    assert read_words(path) == ["猫", "犬", "ABC"]
    assert read_words(path, normalise="none") == ["猫", "犬", "ＡＢＣ"]


def test_a_list_in_another_encoding(words):
    """The encoding is said, and never guessed."""
    path = words("猫", "表", encoding="cp932")
    assert read_words(path, "cp932") == ["猫", "表"]
    with pytest.raises(ValueError, match=r"'words\.txt': is not utf-8 at byte 0"):
        read_words(path)
    with pytest.raises(ValueError, match="no encoding 'cp-932-x'"):
        read_words(path, "cp-932-x")


@pytest.mark.parametrize(
    ("content", "says"),
    [(b"", "has no word"), (b"\n \n", "has no word"), (b"a\0b", "NUL"), (b"\x89PNG\r\n", "is not utf-8")],
)
def test_a_list_that_is_no_list(tmp_path, content, says):
    """The error names the file."""
    path = tmp_path / "words.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"'words.txt'.*{says}"):
        read_words(path)


def test_a_changed_list_is_read_again(words):
    """A process that stays does not keep an old list."""
    assert measured("猫", words("猫"))["hits"] == 1
    assert measured("猫", words("大きな犬"))["hits"] == 0


def test_evidence_shows_the_context(words):
    """Each hit with what stands around it, at most twenty of them."""
    shown = evidence(pa.array(["前の文。\nこの悪い猫が" + "猫" * 25]), words=words("悪い猫", "猫"))
    assert shown[0] == "前の文。⏎この【悪い猫】が" + "猫" * 19
    assert (len(shown), shown[-1]) == (21, "… and 6 more")


def test_installed_lists():
    """A list that is not there says which are; without the package it says what to install."""
    says = "it has adult_keywords_en, " if find_spec("hojichar") else "pip install 'kakehi"
    with pytest.raises(ValueError, match=says):
        locate(Path("hojichar:nothing"))
