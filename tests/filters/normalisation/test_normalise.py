"""Normalisation settles spellings, loses nothing of Japanese, and its kernel equals a readable twin."""

import re
import unicodedata
from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kakehi.filters.normalisation.normalise import normalise, settle
from kakehi.filters.normalisation.rules import KEPT, LEVELS, RULES

TRAPS = (
    "かがきはばぱウヴほゝっん神\ufa19﨑髙辻𠮷①㈱㍻℃㎏½Ⅲ™々ー―—…‥・゛゜！？（），．：；［］＝－～〜∥‖￠￡￢￤−¥￥"
    "⼤⻄“”‘’‐‑–━•‥ÀİẞǰσςΩ\u030c\u0307"
    "ｶﾊｳｱｰ｢｣｡､･ﾞﾟＡｚ０９％＋＼｜az09.,:~-<= \t\n\r\v\f\x00\x1b\x7f\x85\xa0\xad\u3000\u2003\u2028\u200b\u200c\u200d\u2060\ufeff"
    "\ufffd\ufffe\ufdd0\u3099\u309a\u0301\u0323\u0338\u0345\u302a\u0327\ufe0f\U000e0100👩👧❤é\u212a\u212b\u2126\u037e\u1fef\u2adc"
    "\u1100\u1161\u11a8가\u0958\u05d0\u05bc\U00011099\U000110ba\U0001d15e\U0002f800\U0002fffe\U0010ffff"
)
# Starters that join what stands before them: Hangul vowels and finals, a few Indic vowels.
SECONDS = {
    part
    for code in range(0x20000)
    for part in unicodedata.normalize("NFD", chr(code))[1:]
    if not unicodedata.combining(part)
}
japanese = st.text(st.one_of(st.sampled_from(TRAPS), st.sampled_from(TRAPS), st.characters(codec="utf-8")))

# Few characters, so that blanks and newlines meet in every way.
laid_out = st.text(st.sampled_from("aBあ。か ゛ﾞ\u3099 \u3000\t\n\n\rＡ\u200bé\u0301"), max_size=14)


def one(text, level="training"):
    """Normalise one text."""
    return normalise(pa.array([text], pa.large_string()), level)[0].as_py()


def nfc_safe_slowly(text):
    """Apply NFC everywhere but to compatibility ideographs."""
    pieces = re.split("([\uf900-\ufaff\U0002f800-\U0002fa1f])", text)
    return "".join(p if i % 2 else unicodedata.normalize("NFC", p) for i, p in enumerate(pieces))


def archive_slowly(text):
    """Settle newlines, remove controls, compose."""
    text = re.sub("\r\n|[\r\v\f\x85\u2028\u2029]", "\n", text)
    kept = (c for c in text if c in "\n\t" or not (unicodedata.category(c) == "Cc" or is_noncharacter(c)))
    return nfc_safe_slowly("".join(kept))


def is_noncharacter(c):
    """Tell whether Unicode reserves this code point for nothing."""
    return 0xFDD0 <= ord(c) <= 0xFDEF or ord(c) & 0xFFFE == 0xFFFE


def training_slowly(text):
    """Do what the kernel does, one regular expression after the other."""
    text = archive_slowly(text)
    text = re.sub("[\xad\u200b\u200e\u200f\u2060\ufeff\ufffc\u202a-\u202e\u2066-\u2069]", "", text)
    text = re.sub("[ \xa0\u1680\u2000-\u200a\u202f\u205f\u3000]", " ", text)
    text = re.sub("[Ａ-Ｚａ-ｚ０-９＂＃＄％＆＇＊＋／＼＠＾＿｀｜]", lambda m: chr(ord(m[0]) - 0xFEE0), text)
    text = text.translate(str.maketrans("～∥－￠￡￢￤", "〜‖−¢£¬¦"))
    text = re.sub("[\u2f00-\u2fd5]", lambda m: unicodedata.normalize("NFKC", m[0]), text)
    text = text.translate(
        str.maketrans("⺟⺠⻁⻄⻆⻑⻘⻝⻤⻨⻩⻫⻭⻯⻲⻳", "母民虎西角長青食鬼麦黄斉歯竜亀龟")
    )
    text = half_width(drop_joiners(text))
    text = re.sub("(?<=[0-9])[．，：](?=[0-9])", lambda m: chr(ord(m[0]) - 0xFEE0), text)
    return nfc_safe_slowly(tidy(text))


def half_width(text):
    """Widen half-width kana, composing every voiced mark with the kana before it."""
    out = []
    for c in text:
        wide = unicodedata.normalize("NFKC", c) if "｡" <= c <= "ﾟ" else c
        before = out[-1] if out and "\u3040" <= out[-1] <= "\u30ff" and len(out[-1]) == 1 else ""
        both = unicodedata.normalize("NFC", before + wide)
        if wide in "\u3099\u309a" and before and len(both) == 1:
            out[-1] = both
        else:
            out.append({"ﾞ": "゛", "ﾟ": "゜"}.get(c, wide))
    return "".join(out)


def drop_joiners(text):
    """Keep a joiner only between two characters that can join."""
    out = []
    for c in text:
        if c in "\u200c\u200d":
            if out and can_join(out[-1]):
                out.append(c)
            continue
        if out and out[-1] in "\u200c\u200d" and not can_join(c):
            out.pop()
        out.append(c)
    return "".join(out).rstrip("\u200c\u200d")


def can_join(c):
    """Tell whether a joiner beside this character can mean something."""
    if unicodedata.combining(c):
        return True
    return ord(c) >= 0xC0 and not re.match(
        "[\u2000-\u206f\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]", c
    )


def tidy(text):
    """Settle the layout."""
    text = re.sub("[ \t]+(?=\n|$)", "", text)
    text = re.sub("\n{3,}", "\n\n", text).strip(" \t\n")
    return re.sub("(?<=[^ \t\n])[ \t]{2,}", lambda m: "\t" if "\t" in m[0] else " ", text)


def key_slowly(text):
    """Fold what is left at level `training`."""
    text = training_slowly(text)
    text = "".join(lower(c) for c in text).replace("ς", "σ")
    text = text.translate(str.maketrans("、。！？，．：；（）［］｛｝＜＞＝￥", ",.!?,.:;()[]{}<>=¥"))
    for variants, one_of_them in [
        ("˗‐‑‒–—―⁃−─━﹘﹣", "-"),
        ("〜˜∼〰", "~"),
        ("・•‧∙⋅", "·"),
        ("“”„‟″〝〞〟", '"'),
        ("‘’‚‛′´`", "'"),
        ("‥⋯", "…"),
    ]:
        text = re.sub(f"[{variants}]", one_of_them, text)
    return nfc_safe_slowly(without_gaps(drop_joiners(text)))


def lower(c):
    """Lower a Latin, Greek or Cyrillic letter that does not grow."""
    if not re.match("[A-ZÀ-\u024fΆ-Ϋ\u0400-\u052f\u1e00-\u1eff]", c):
        return c
    small = c.lower()
    return small if len(small) == 1 and len(small.encode()) <= len(c.encode()) else c


def without_gaps(text):
    """Drop blanks beside a Japanese or Chinese character, unless a mark follows; else one space."""
    pieces = re.split("[ \t\n]+", text)
    out = pieces[0]
    for piece in pieces[1:]:
        mark = piece[0] in "゛゜" or unicodedata.combining(piece[0]) or piece[0] in SECONDS
        out += piece if not mark and (wide(out[-1]) or wide(piece[0])) else " " + piece
    return out


def wide(c):
    """Tell whether a character is of Japanese or Chinese typography."""
    return re.match("[\u2e80-\ua4cf\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]", c) is not None


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_every_example_is_true(rule):
    """A rule's example becomes what the rule says; without the rule it becomes something else."""
    assert one(rule.before, rule.level) == rule.after
    [without] = settle(pa.array([rule.before]), rule.level, [rule.name]).texts.to_pylist()
    assert without != rule.after


def test_names_are_unique():
    """A rule's name names one rule."""
    assert len({rule.name for rule in RULES}) == len(RULES)


def test_no_rule_makes_a_text_longer():
    """The kernel's buffer is as large as its input, so no character may grow."""
    for rule in RULES:
        for _, characters, becomes in rule.moves:
            assert len(becomes) in (0, len(characters))
            for before, after in zip(characters, becomes or characters, strict=True):
                assert len(after.encode()) <= len(before.encode())


@pytest.mark.slow
@settings(max_examples=1500)
@given(japanese)
def test_archive_equals_its_twin(text):
    """The kernel does what a few readable lines do."""
    assert one(text, "archive") == archive_slowly(text)


@settings(max_examples=300)
@given(japanese)
def test_training_equals_its_twin(text):
    """The kernel does what a few readable lines do."""
    assert one(text) == training_slowly(text)


@settings(max_examples=300)
@given(japanese)
def test_key_equals_its_twin(text):
    """The kernel does in one pass what a few readable lines do on the text of level `training`."""
    assert one(text, "key") == key_slowly(text)


@pytest.mark.slow
@settings(max_examples=1000)
@given(laid_out)
def test_layout_equals_its_twins(text):
    """However blanks, newlines, marks and what is removed follow one another."""
    archive, training, key = (one(text, level) for level in LEVELS)
    assert (archive, training, key) == (archive_slowly(text), training_slowly(text), key_slowly(text))


@settings(max_examples=300)
@given(st.one_of(japanese, laid_out), st.sampled_from(LEVELS), st.sampled_from(LEVELS))
def test_each_level_is_a_function_of_the_one_before(text, first, second):
    """A level after another is the higher of both: so each is idempotent, and a key can be made of any text."""
    higher = max(first, second, key=LEVELS.index)
    if LEVELS.index(first) <= LEVELS.index(second):
        assert one(one(text, first), second) == one(text, higher)


@settings(max_examples=60)
@given(st.lists(st.one_of(st.none(), japanese), max_size=5))
def test_rows_do_not_touch_each_other(texts):
    """A batch is its rows, in order, at any offset; a null row is empty."""
    column = pa.array(["前", *texts], pa.string()).slice(1)
    assert normalise(column).to_pylist() == [one(text or "") for text in texts]


@pytest.mark.parametrize(
    "text",
    [
        "∥\u0338 ・",  # ∦ at level archive, so not ‖ with a stroke
        "é\u200d\u212a\u0327",  # Ķ joins, K does not
        "・\u200d❤￥\u200dé",  # no joiner beside the kana dot, nor beside · afterwards
        "I\u0307İ",  # no small letter is İ's alone
        "J\u030cǰ",  # ǰ has no capital
        "か \u3099か ﾞか ゛",  # a mark must not join across a space that goes
        "ｳ\u200c\ufeffﾞ",
        "ら \u1161 \u0dcf",  # nor these, which are no marks
        "神 \ufa19 \U0002f800",
    ],
)
def test_what_random_texts_found(text):
    """Each broke the equation of levels, or the twin, while this was written."""
    archive, training, key = (one(text, level) for level in LEVELS)
    assert (archive, training, key) == (archive_slowly(text), training_slowly(text), key_slowly(text))
    assert (one(archive), one(archive, "key"), one(training, "key"), one(key, "key")) == (
        training,
        key,
        key,
        key,
    )


@pytest.mark.parametrize("text", [text for texts, _ in KEPT for text in texts])
@pytest.mark.parametrize("level", ["archive", "training"])
def test_what_is_kept(text, level):
    """Circled numbers, era names, units, names, quotes, dashes, repetition: alone and inside a text."""
    for before in (text, f"第2章{text}について", f"mc²{text}3½"):
        assert one(before, level) == before


@pytest.mark.parametrize("level", LEVELS)
def test_names_keep_their_variants_even_in_keys(level):
    """Compatibility ideographs and variation selectors tell people apart."""
    names = ["神", "\ufa19", "塚", "\ufa10", "崎", "﨑", "高", "髙", "辻", "辻\U000e0100", "吉", "𠮷"]
    assert [one(name, level) for name in names] == names


# What neologdn 0.5.6 and jaconv 0.5.0 (its `normalize`) made of these texts in 2026.
SLIPS = {
    "neologdn_takes_the_wave_dash_out_of_a_range": ("2010〜2020年", "20102020年"),
    "neologdn_takes_the_tilde_out_of_a_time": ("10:00~12:00", "10:0012:00"),
    "neologdn_takes_the_home_folder_out_of_a_path": ("/~x", "/x"),
    "neologdn_makes_a_long_vowel_of_a_minus": ("−5度", "ー5度"),
    "neologdn_makes_a_long_vowel_of_a_dash": ("――そう", "ーそう"),
    "neologdn_makes_a_long_vowel_of_an_em_dash": ("a—b", "aーb"),
    "neologdn_makes_a_long_vowel_of_a_ruled_line": ("─────", "ー"),
    "neologdn_shortens_long_vowels": ("ウェーーーイ", "ウェーイ"),
    "neologdn_glues_words_together": ("東京 都", "東京都"),
    "neologdn_makes_a_backslash_of_a_yen_sign": ("¥100", "\\100"),
    "neologdn_halves_voiced_marks": ("゛と゜", "ﾞとﾟ"),
    "neologdn_straightens_quotes": ("“引用”", '"引用"'),
    "neologdn_makes_a_grave_accent_of_a_quote": ("‘a’", "`a'"),
    "neologdn_makes_a_hyphen_of_a_minus": ("3−2", "3-2"),
    "neologdn_takes_the_equals_sign_of_names_for_a_sum": ("マリー＝アントワネット", "マリー=アントワネット"),
    "jaconv_makes_a_long_vowel_of_a_range": ("10〜20", "10ー20"),
    "jaconv_spells_circled_numbers_and_eras_out": ("①㈱㍻", "1(株)平成"),
    "jaconv_makes_dots_of_an_ellipsis": ("…", "..."),
    "jaconv_makes_ascii_of_japanese_stops": ("だ！？", "だ!?"),
    "jaconv_parts_voiced_marks": ("゛と゜", " \u3099と \u309a"),
}


@pytest.mark.parametrize(("text", "slip"), SLIPS.values(), ids=SLIPS)
def test_a_slip_of_a_peer_is_not_ours(text, slip):
    """The text stays as it is, at both levels that are read."""
    assert one(text) == one(text, "archive") == text != slip


def test_neologdn_and_jaconv_make_a_long_vowel_of_a_wide_minus():
    """－５度 is minus five degrees, not ー5度."""
    assert one("－５度") == "−5度"


def test_neologdn_leaves_kana_in_two_parts():
    """か with U+3099 is が, as half-width ｶ with ﾞ is ガ."""
    assert [one("か\u3099", level) for level in LEVELS] == ["が"] * 3


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("－５度", "−5度"),
        ("10～20", "10〜20"),
        ("ｶﾞﾊﾟｰ｢｣｡､", "ガパー「」。、"),
        ("ハハとパパとババ", "ハハとパパとババ"),
        ("０３－１２３４－５６７８", "03−1234−5678"),
        ("def f():\n    return 1\t\n", "def f():\n    return 1"),
        ("\ufeff\n\u3000\n", ""),
        ("か\u200bﾞ", "が"),
        ("３\u200b．\u200b１", "3.1"),
        ("👨\u200d👩\u200d👧\u200d", "👨\u200d👩\u200d👧"),
        ("é\u200d\u200c\u200b\u200dé", "é\u200dé"),
        ("･ア・", "・ア・"),
        ("⽇⽉⾧い⻑い⻘い⿊い", "日月長い長い青い黑い"),
        ("ｳﾞｧﾝﾊﾟｲｱ ﾞｱﾟ", "ヴァンパイア ゛ア゜"),
    ],
)
def test_known_cases(before, after):
    """These were decided one by one."""
    assert one(before) == after


def test_codecs_agree_afterwards():
    """What cp932 and EUC-JP decode differently from the same JIS character is one text after normalising."""
    cells = [0x8160, 0x8161, 0x817C, 0x8191, 0x8192, 0x81CA]
    assert one("".join(c.to_bytes(2, "big").decode("cp932") for c in cells)) == one(
        "".join(c.to_bytes(2, "big").decode("shift_jis") for c in cells)
    )


def test_an_unknown_level_is_refused():
    """The error lists the levels."""
    with pytest.raises(ValueError, match=r"level is 'nfkc', wanted 'archive' or 'training' or 'key'"):
        one("x", "nfkc")


SAME_KEY = [
    ("ＡＢＣ", "abc"),
    ("ﾃﾞｰﾀ", "データ"),
    ("東京　都", "東京都"),
    ("東京\n\n都", "東京都"),
    ("New\n York", "new york"),
    ("これは，本．", "これは、本。"),
    ("（注）", "(注)"),
    ("10〜20", "10~20"),
    ("2010−2020", "2010–2020"),
    ("ア・イ", "ア･イ"),
    ("“引用”", '"引用"'),
    ("か\u3099", "が"),
]
OTHER_KEY = [
    ("バス", "パス"),
    ("ハス", "バス"),
    ("ビール", "ビル"),
    ("ビール", "ビ−ル"),
    ("か", "カ"),
    ("now here", "nowhere"),
]


@pytest.mark.parametrize(("one_text", "another"), SAME_KEY)
def test_what_keys_fold(one_text, another):
    """Width, case, blanks and punctuation tell no texts apart."""
    assert one(one_text, "key") == one(another, "key")


@pytest.mark.parametrize(("one_text", "another"), OTHER_KEY)
def test_what_keys_keep_apart(one_text, another):
    """Dakuten, long vowels, scripts and English words do."""
    assert one(one_text, "key") != one(another, "key")


def voices(text):
    """Count voiced and half-voiced marks, in whatever form."""
    spread = unicodedata.normalize("NFD", text)
    return Counter("".join(spread).translate(str.maketrans("ﾞﾟ゛゜", "\u3099\u309a\u3099\u309a"))) & Counter(
        {"\u3099": len(spread), "\u309a": len(spread)}
    )


@settings(max_examples=300)
@given(japanese, st.sampled_from(LEVELS))
def test_no_kana_loses_its_dakuten(text, level):
    """There are as many voiced marks after as before, composed or not."""
    assert voices(one(text, level)) == voices(text)


@settings(max_examples=300)
@given(japanese, st.sampled_from(["archive", "training"]))
def test_rules_fire_where_a_text_changes(text, level):
    """A text that changed has its rules counted, and one that did not has none."""
    [after], fired = settle(pa.array([text], pa.large_string()), level)
    assert bool(fired) == (after.as_py() != text)
    assert set(fired) <= {rule.name for rule in RULES if LEVELS.index(rule.level) <= LEVELS.index(level)}
    assert all(count > 0 for count in fired.values())


@pytest.mark.parametrize(
    ("text", "fired"),
    [
        ("春\r\n夏\r秋\n冬", {"newlines": 2}),
        ("か\u3099き\u3099あ\u3099", {"canonical": 2}),
        ("e\u0301o\u0301", {"canonical": 1}),
        ("Ａ１％～－￠⽇", dict.fromkeys(
            ["full_width_letters", "full_width_digits", "full_width_symbols", "wave_dash", "minus", "codec_twins", "radicals"], 1
        )),
        ("ｶﾞｰﾞ", {"half_width_kana": 4}),
        ("１．１．", {"full_width_digits": 2, "number_marks": 1}),
        ("あ　い\u00a0 う", {"spaces": 2, "layout": 1}),
        ("あ \n\n\n\nい\n", {"layout": 4}),
        ("\ufeffあ\x00い\ufffe\U0010ffff\u200d", {"invisible": 1, "controls": 3, "joiners": 1}),
    ],
)  # fmt: skip
def test_rules_are_counted(text, fired):
    """Once a character, a run of blanks, a newline too many, or a text with marks to compose."""
    assert settle(pa.array([text]), "training").fired == fired


@pytest.mark.slow
@settings(max_examples=150)
@given(japanese, st.sets(st.sampled_from([rule.name for rule in RULES if rule.level != "key"])))
def test_rules_can_be_left_out(text, without):
    """What is left out never fires, and all that is done is still done by the others alone."""
    texts, fired = settle(pa.array([text], pa.large_string()), "training", without)
    texts.validate(full=True)
    assert not without & set(fired)


def test_nothing_is_left_of_a_text_without_rules():
    """With every rule left out a text comes back as it was."""
    column = pa.array([TRAPS, "か\u3099\r\n　ﾞ"], pa.large_string())
    for level in LEVELS:
        every = [rule.name for rule in RULES if LEVELS.index(rule.level) <= LEVELS.index(level)]
        assert settle(column, level, every) == (column, {})


@pytest.mark.slow
@pytest.mark.parametrize("unit", ["\u200d", "\u200b", "\n", " ", "ﾞ", "．", "\u0301", "１．"])
def test_long_runs_cost_what_other_text_costs(unit):
    """A megabyte of one character that is looked past takes no square of the time: it would not end."""
    text = "é" + unit * (1_000_000 // len(unit.encode())) + "é"
    for level in LEVELS:
        assert one(text, level)


def test_an_unknown_rule_is_refused():
    """Rules of a later level are unknown to the one before."""
    with pytest.raises(ValueError, match=r"level 'archive' has no rule 'minus' to leave out"):
        settle(pa.array(["x"]), "archive", ["minus"])
