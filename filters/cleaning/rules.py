"""Say what `normalise` does: one row a rule, each with an example that a test runs."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, TypeAlias

Level: TypeAlias = Literal["archive", "training"]

# NFC unifies these with the common form, and names are written with them: 神 U+FA19, 﨑 U+FA11.
COMPATIBILITY_IDEOGRAPHS = "[\uf900-\ufaff\U0002f800-\U0002fa1f]"

_BOTH: tuple[Level, ...] = ("archive", "training")
_TRAINING: tuple[Level, ...] = ("training",)


class Act(IntEnum):
    """What the kernel does at a character."""

    PLAIN = 0
    MAP = 1
    REMOVE = 2
    NEWLINE = 3
    BLANK = 4
    JOINER = 5
    DAKUTEN = 6
    HANDAKUTEN = 7
    NUMBER_MARK = 8
    UNORDERED = 9


@dataclass(frozen=True, kw_only=True)
class Rule:
    """State one rule.

    Args:
        name: what it is called in reports.
        levels: where it holds.
        what: what it does, and why.
        before: an example.
        after: what the example becomes at every level of the rule.
        characters: the characters it acts on.
        becomes: what each of them becomes, in the same order; empty where the act itself says.
        act: what the kernel does at them.
    """

    name: str
    levels: tuple[Level, ...]
    what: str
    before: str
    after: str
    characters: str
    becomes: str = ""
    act: Act


def _span(first: int, last: int) -> str:
    """Return the characters from one code point to another, both included."""
    return "".join(map(chr, range(first, last + 1)))


_CONTROLS = _span(0, 0x1F) + _span(0x7F, 0x9F)
_NEWLINES = "\r\v\f\x85\u2028\u2029"
_HALF_KANA = _span(0xFF61, 0xFF9D)
_FULL_KANA = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン"

RULES: tuple[Rule, ...] = (
    Rule(
        name="controls",
        levels=_BOTH,
        what="C0 and C1 controls but newline and tab, and noncharacters, are removed; U+FFFD stays, a witness of damage",
        before="日\x00本\x1b\ufdd0語\ufffd",
        after="日本語\ufffd",
        characters="".join(c for c in _CONTROLS if c not in _NEWLINES + "\n\t")
        + _span(0xFDD0, 0xFDEF)
        + "\ufffe\uffff\U0001fffe\U0001ffff",
        act=Act.REMOVE,
    ),
    Rule(
        name="newlines",
        levels=_BOTH,
        what="CRLF, CR, VT, FF, NEL, LS and PS are a newline (Unicode Standard 5.8, newline function)",
        before="春\r\n夏\r秋\x85冬\u2028雪",
        after="春\n夏\n秋\n冬\n雪",
        characters=_NEWLINES,
        act=Act.NEWLINE,
    ),
    Rule(
        name="canonical",
        levels=_BOTH,
        what="Combining marks compose and are ordered as in NFC; compatibility ideographs and variation selectors stay",
        before="か\u3099 ハ\u309a e\u0301 \ufa19\ufa11\u9ad9辻\U000e0100",
        after="が パ é \ufa19\ufa11\u9ad9辻\U000e0100",
        characters="\u3099",
        act=Act.DAKUTEN,
    ),
    Rule(
        name="canonical_handakuten",
        levels=_BOTH,
        what="The same for U+309A",
        before="ほ\u309aか\u309a",
        after="ぽか\u309a",
        characters="\u309a",
        act=Act.HANDAKUTEN,
    ),
    Rule(
        name="half_width_kana",
        levels=_TRAINING,
        what="Half-width kana and their punctuation are full-width: a width of old terminals, not another character",
        before="ｱｲｰ｢ｳ｣｡､･",
        after="アイー「ウ」。、・",
        characters=_HALF_KANA,
        becomes=_FULL_KANA,
        act=Act.MAP,
    ),
    Rule(
        name="half_width_dakuten",
        levels=_TRAINING,
        what="A half-width voiced mark composes with the kana before it, else becomes the spacing mark",
        before="ｶﾞｳﾞかﾞあﾞ",
        after="ガヴがあ゛",
        characters="ﾞ",
        becomes="゛",
        act=Act.DAKUTEN,
    ),
    Rule(
        name="half_width_handakuten",
        levels=_TRAINING,
        what="The same for the half-voiced mark",
        before="ﾊﾟｶﾟ",
        after="パカ゜",
        characters="ﾟ",
        becomes="゜",
        act=Act.HANDAKUTEN,
    ),
    Rule(
        name="full_width_letters",
        levels=_TRAINING,
        what="Full-width Latin letters are ASCII: the same word must not have two spellings",
        before="ＮＨＫのｎｅｗｓ",
        after="NHKのnews",
        characters=_span(0xFF21, 0xFF3A) + _span(0xFF41, 0xFF5A),
        becomes=_span(0x41, 0x5A) + _span(0x61, 0x7A),
        act=Act.MAP,
    ),
    Rule(
        name="full_width_digits",
        levels=_TRAINING,
        what="Full-width digits are ASCII; ①, ², ½ and Ⅲ are not digits and stay",
        before="２０２６年①½Ⅲ",
        after="2026年①½Ⅲ",
        characters=_span(0xFF10, 0xFF19),
        becomes="0123456789",
        act=Act.MAP,
    ),
    Rule(
        name="full_width_symbols",
        levels=_TRAINING,
        what="Full-width symbols are ASCII, but stops and brackets ！？，．：；（）［］｛｝＜＞ and ＝ (マリー＝アントワネット) stay: "
        "they are Japanese typography, and prose with ASCII ones is what Japanese readers call wrong",
        before="５０％＋＃＆／＠（注：Ａ＝Ｂ！？）",
        after="50%+#&/@（注：A＝B！？）",
        characters="＂＃＄％＆＇＊＋／＼＠＾＿｀｜",
        becomes="\"#$%&'*+/\\@^_`|",
        act=Act.MAP,
    ),
    Rule(
        name="number_marks",
        levels=_TRAINING,
        what="Full-width ．，： between two digits belong to a number and are ASCII with it",
        before="３．１４、１，０００円、１０：３０。１．はじめに",
        after="3.14、1,000円、10:30。1．はじめに",
        characters="．，：",
        becomes=".,:",
        act=Act.NUMBER_MARK,
    ),
    Rule(
        name="codec_twins",
        levels=_TRAINING,
        what="One JIS character that cp932 and JIS tables decode differently is the JIS one: wave dash (never ~, never ー, "
        "never removed), double bar, minus (never ー), cent, pound, not, broken bar. ― and — stay: English uses both",
        before="10～20、－5度、∥￠￡￢￤",
        after="10〜20、−5度、‖¢£¬¦",
        characters="～∥－￠￡￢￤",
        becomes="〜‖−¢£¬¦",
        act=Act.MAP,
    ),
    Rule(
        name="spaces",
        levels=_TRAINING,
        what="Every blank but the tab is an ASCII space: U+3000, no-break and typographic spaces",
        before="東京\u3000都\u00a0庁\u2009舎",
        after="東京 都 庁 舎",
        characters=" \u00a0\u1680" + _span(0x2000, 0x200A) + "\u202f\u205f\u3000",
        act=Act.BLANK,
    ),
    Rule(
        name="layout",
        levels=_TRAINING,
        what="Inside a line a run of blanks is one (a tab if it holds one), before a newline none; indentation stays, it is "
        "syntax in code; at most two newlines in a row; nothing blank at either end of a text",
        before="\n\nif x:  # 注\n    y \n\n\n\nz\n",
        after="if x: # 注\n    y\n\nz",
        characters="\t",
        act=Act.BLANK,
    ),
    Rule(
        name="line_ends",
        levels=_TRAINING,
        what="Part of `layout`: the newline itself",
        before="一\n\n\n二",
        after="一\n\n二",
        characters=_NEWLINES + "\n",
        act=Act.NEWLINE,
    ),
    Rule(
        name="invisible",
        levels=_TRAINING,
        what="Characters without width or meaning are removed: zero-width space, BOM, soft hyphen, word joiner, direction "
        "marks, object replacement",
        before="\ufeff東\u200b京\u00adto\u2060kyo\ufffc",
        after="東京tokyo",
        characters="\u00ad\u200b\u200e\u200f\u2060\ufeff\ufffc"
        + _span(0x202A, 0x202E)
        + _span(0x2066, 0x2069),
        act=Act.REMOVE,
    ),
    Rule(
        name="joiners",
        levels=_TRAINING,
        what="Zero-width joiner and non-joiner stay inside emoji and between letters of scripts that join; beside Japanese, "
        "ASCII and blanks they are removed",
        before="👩\u200d👧と家\u200d族",
        after="👩\u200d👧と家族",
        characters="\u200c\u200d",
        act=Act.JOINER,
    ),
)
