"""Say what `normalise` does: one row a rule, each with an example that a test runs."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Final, Literal, NamedTuple, TypeAlias, get_args

#: Each level does all that the one before does.
Level: TypeAlias = Literal["archive", "training", "key"]
LEVELS: Final[tuple[Level, ...]] = get_args(Level)


class Act(IntEnum):
    """What the kernel does at a character."""

    PLAIN = 0
    MAP = 1
    REMOVE = 2
    NEWLINE = 3
    BLANK = 4
    GAP = 5
    JOINER = 6
    DAKUTEN = 7
    HANDAKUTEN = 8
    NUMBER_MARK = 9
    UNORDERED = 10


class Move(NamedTuple):
    """What is done at some characters; each becomes the one at its place in `becomes`, or the act itself says."""

    act: Act
    characters: str
    becomes: str = ""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """State one rule.

    Args:
        name: what it is called in manifests and receipts.
        level: the first level at which it holds.
        what: what it does, and why.
        before: an example.
        after: what the example becomes at that level.
        moves: what is done, and where; a later rule sees what earlier ones made.
    """

    name: str
    level: Level
    what: str
    before: str
    after: str
    moves: tuple[Move, ...]


def rules_of(level: Level) -> tuple[Rule, ...]:
    """List the rules that hold at a level."""
    return tuple(rule for rule in RULES if LEVELS.index(rule.level) <= LEVELS.index(level))


def _span(first: int, last: int) -> str:
    """Return the characters from one code point to another, both included."""
    return "".join(map(chr, range(first, last + 1)))


def _every(characters: str, becomes: str) -> Move:
    """Replace all of the characters by one."""
    return Move(Act.MAP, characters, becomes * len(characters))


def _lower(*spans: tuple[int, int]) -> Move:
    """Lower the letters that have one lower letter, no longer in UTF-8 (İ and Ⱥ have not)."""
    letters = [c for span in spans for c in _span(*span) if len(c.lower()) == 1 and c.lower() != c]
    kept = [c for c in letters if len(c.lower().encode()) <= len(c.encode())]
    return Move(Act.MAP, "".join(kept), "".join(c.lower() for c in kept))


_NEWLINES = "\r\v\f\x85\u2028\u2029"
_CONTROLS = "".join(c for c in _span(0, 0x1F) + _span(0x7F, 0x9F) if c not in _NEWLINES + "\n\t")
_HALF_KANA = _span(0xFF61, 0xFF9D)
_FULL_KANA = "。「」、・ヲァィゥェォャュョッーアイウエオカキクケコサシスセソタチツテトナニヌネノハヒフヘホマミムメモヤユヨラリルレロワン"
# As Unicode's own decompositions of U+2F00 to U+2FD5 have it: ⼾ is 戶, though Japanese pages mean 戸.
_KANGXI = (
    "一丨丶丿乙亅二亠人儿入八冂冖冫几凵刀力勹匕匚匸十卜卩厂厶又口囗土士夂夊夕大女子宀寸小尢尸屮山巛工己巾干幺广廴廾弋弓彐彡彳"
    "心戈戶手支攴文斗斤方无日曰月木欠止歹殳毋比毛氏气水火爪父爻爿片牙牛犬玄玉瓜瓦甘生用田疋疒癶白皮皿目矛矢石示禸禾穴立竹米糸缶网"
    "羊羽老而耒耳聿肉臣自至臼舌舛舟艮色艸虍虫血行衣襾見角言谷豆豕豸貝赤走足身車辛辰辵邑酉釆里金長門阜隶隹雨靑非面革韋韭音頁風飛食"
    "首香馬骨高髟鬥鬯鬲鬼魚鳥鹵鹿麥麻黃黍黑黹黽鼎鼓鼠鼻齊齒龍龜龠"
)
# The radicals of U+2E80 to U+2EF3 that are whole characters of today's Japanese, by Unicode's
# EquivalentUnifiedIdeograph.
_RADICALS = ("⺟⺠⻁⻄⻆⻑⻘⻝⻤⻨⻩⻫⻭⻯⻲⻳", "母民虎西角長青食鬼麦黄斉歯竜亀龟")

RULES: Final[tuple[Rule, ...]] = (
    Rule(
        name="controls",
        level="archive",
        what="C0 and C1 controls but newline and tab, and noncharacters, are removed; U+FFFD stays, a witness of "
        "damage",
        before="日\x00本\x1b\ufdd0語\ufffd",
        after="日本語\ufffd",
        moves=(Move(Act.REMOVE, _CONTROLS + _span(0xFDD0, 0xFDEF) + "\ufffe\uffff\U0001fffe\U0001ffff"),),
    ),
    Rule(
        name="newlines",
        level="archive",
        what="CRLF, CR, VT, FF, NEL, LS and PS are a newline (Unicode Standard 5.8, newline function)",
        before="春\r\n夏\r秋\x85冬\u2028雪",
        after="春\n夏\n秋\n冬\n雪",
        moves=(Move(Act.NEWLINE, _NEWLINES, "\n" * len(_NEWLINES)),),
    ),
    Rule(
        name="canonical",
        level="archive",
        what="Combining marks compose and are ordered as in NFC; compatibility ideographs (names are written with "
        "them) and variation selectors stay",
        before="か\u3099 ハ\u309a か\u309a e\u0301 \ufa19\ufa11\u9ad9辻\U000e0100",
        after="が パ か\u309a é \ufa19\ufa11\u9ad9辻\U000e0100",
        # The rest comes from Unicode's tables: see canonical.py.
        moves=(Move(Act.DAKUTEN, "\u3099"), Move(Act.HANDAKUTEN, "\u309a")),
    ),
    Rule(
        name="half_width_kana",
        level="training",
        what="Half-width kana and their punctuation are full-width: a width of old terminals, not another "
        "character. A voiced mark composes with the kana before it, else becomes the spacing mark",
        before="ｱｲｰ｢ｳ｣｡､･ｶﾞｳﾞﾊﾟかﾞあﾞ",
        after="アイー「ウ」。、・ガヴパがあ゛",
        moves=(
            Move(Act.MAP, _HALF_KANA, _FULL_KANA),
            Move(Act.DAKUTEN, "ﾞ", "゛"),
            Move(Act.HANDAKUTEN, "ﾟ", "゜"),
        ),
    ),
    Rule(
        name="full_width_letters",
        level="training",
        what="Full-width Latin letters are ASCII: the same word must not have two spellings",
        before="ＮＨＫのｎｅｗｓ",
        after="NHKのnews",
        moves=(
            Move(
                Act.MAP,
                _span(0xFF21, 0xFF3A) + _span(0xFF41, 0xFF5A),
                _span(0x41, 0x5A) + _span(0x61, 0x7A),
            ),
        ),
    ),
    Rule(
        name="full_width_digits",
        level="training",
        what="Full-width digits are ASCII; ①, ², ½ and Ⅲ are not digits and stay",
        before="２０２６年①½Ⅲ",
        after="2026年①½Ⅲ",
        moves=(Move(Act.MAP, _span(0xFF10, 0xFF19), "0123456789"),),
    ),
    Rule(
        name="full_width_symbols",
        level="training",
        what="Full-width symbols are ASCII, but stops and brackets ！？，．：；（）［］｛｝＜＞ and ＝ (マリー＝アントワネット) "
        "stay: they are Japanese typography, and prose with ASCII ones is what Japanese readers call wrong",
        before="５０％＋＃＆／＠（注：Ａ＝Ｂ！？）",
        after="50%+#&/@（注：A＝B！？）",
        moves=(Move(Act.MAP, "＂＃＄％＆＇＊＋／＼＠＾＿｀｜", "\"#$%&'*+/\\@^_`|"),),
    ),
    Rule(
        name="number_marks",
        level="training",
        what="Full-width ．，： between two digits belong to a number and are ASCII with it",
        before="３．１４、１，０００円、１０：３０。１．はじめに",
        after="3.14、1,000円、10:30。1．はじめに",
        moves=(Move(Act.NUMBER_MARK, "．，：", ".,:"),),
    ),
    Rule(
        name="wave_dash",
        level="training",
        what="The full-width tilde is the wave dash: one JIS character that cp932 and JIS tables decode differently. "
        "Never ~, never ー, never removed",
        before="10～20",
        after="10〜20",
        moves=(Move(Act.MAP, "～", "〜"),),
    ),
    Rule(
        name="minus",
        level="training",
        what="The full-width hyphen-minus is the minus, for the same reason; never ー. ― — – ‐ stay: English uses "
        "them too",
        before="－5度、コーヒー",
        after="−5度、コーヒー",
        moves=(Move(Act.MAP, "－", "−"),),
    ),
    Rule(
        name="codec_twins",
        level="training",
        what="So are double bar, cent, pound, not and broken bar",
        before="∥￠￡￢￤",
        after="‖¢£¬¦",
        moves=(Move(Act.MAP, "∥￠￡￢￤", "‖¢£¬¦"),),
    ),
    Rule(
        name="radicals",
        level="training",
        what="Kangxi radicals, and other radicals that are whole characters, are those characters: PDF files give "
        "them for the ideographs they look like. 﨑 and 髙 are none and stay",
        before="⼤阪の⻄、⻑い⽇、⾼さ",
        after="大阪の西、長い日、高さ",
        moves=(Move(Act.MAP, _span(0x2F00, 0x2FD5), _KANGXI), Move(Act.MAP, *_RADICALS)),
    ),
    Rule(
        name="spaces",
        level="training",
        what="Every blank but the tab is an ASCII space: U+3000, no-break and typographic spaces",
        before="東京\u3000都\u00a0庁\u2009舎",
        after="東京 都 庁 舎",
        moves=(_every("\u00a0\u1680" + _span(0x2000, 0x200A) + "\u202f\u205f\u3000", " "),),
    ),
    Rule(
        name="layout",
        level="training",
        what="Inside a line a run of blanks is one (a tab if it holds one), before a newline none; indentation "
        "stays, it is syntax in code; at most two newlines in a row; nothing blank at either end of a text",
        before="\n\nif x:  # 注\n    y \n\n\n\nz\n",
        after="if x: # 注\n    y\n\nz",
        moves=(Move(Act.BLANK, "\t "), Move(Act.NEWLINE, "\n")),
    ),
    Rule(
        name="invisible",
        level="training",
        what="Characters without width or meaning are removed: zero-width space, BOM, soft hyphen, word joiner, "
        "direction marks, object replacement",
        before="\ufeff東\u200b京\u00adto\u2060kyo\ufffc",
        after="東京tokyo",
        moves=(
            Move(
                Act.REMOVE,
                "\u00ad\u200b\u200e\u200f\u2060\ufeff\ufffc" + _span(0x202A, 0x202E) + _span(0x2066, 0x2069),
            ),
        ),
    ),
    Rule(
        name="joiners",
        level="training",
        what="Zero-width joiner and non-joiner stay inside emoji and between letters of scripts that join; beside "
        "Japanese, ASCII and blanks they are removed",
        before="👩\u200d👧と家\u200d族",
        after="👩\u200d👧と家族",
        moves=(Move(Act.JOINER, "\u200c\u200d"),),
    ),
    Rule(
        name="case",
        level="key",
        what="Latin, Greek and Cyrillic letters are lower case",
        before="Apple ＮＨＫ Ω Я É",
        after="apple nhk ω я é",
        moves=(
            _lower((0x41, 0x5A), (0xC0, 0x24F), (0x386, 0x3AB), (0x400, 0x52F), (0x1E00, 0x1EFF)),
            Move(Act.MAP, "ς", "σ"),
        ),
    ),
    Rule(
        name="stops",
        level="key",
        what="Stops, commas, brackets and signs of Japanese and ASCII width are one: a text with ，． and one with 、。 "
        "are the same text",
        before="はい、そう。（注：Ａ＝Ｂ！？），．",
        after="はい,そう.(注:a=b!?),.",
        moves=(Move(Act.MAP, "、。！？，．：；（）［］｛｝＜＞＝￥", ",.!?,.:;()[]{}<>=¥"),),
    ),
    Rule(
        name="dashes",
        level="key",
        what="Hyphens, dashes, minus signs and ruled lines are -; ー is a letter and stays",
        before="‐‑‒–—―−－─━ビール",
        after="----------ビール",
        moves=(_every("˗‐‑‒–—―⁃−─━﹘﹣", "-"),),
    ),
    Rule(
        name="tildes",
        level="key",
        what="Wave dashes and tildes are ~",
        before="10〜20、10～20、10∼20",
        after="10~20,10~20,10~20",
        moves=(_every("〜˜∼〰", "~"),),
    ),
    Rule(
        name="middle_dots",
        level="key",
        what="Middle dots and bullets are ·",
        before="ア・イ･ウ•エ",
        after="ア·イ·ウ·エ",
        moves=(_every("・•‧∙⋅", "·"),),
    ),
    Rule(
        name="quotes",
        level="key",
        what="Quotation marks are \" and '; 「」 and 『』 stay",
        before="“ａ”‘ｂ’〝ｃ〟「ｄ」",
        after='"a"\'b\'"c"「d」',
        moves=(_every("“”„‟″〝〞〟", '"'), _every("‘’‚‛′´`", "'")),
    ),
    Rule(
        name="ellipses",
        level="key",
        what="Leaders of two and three dots are …",
        before="そう‥‥え……",
        after="そう……え……",
        moves=(_every("‥⋯", "…"),),
    ),
    Rule(
        name="gaps",
        level="key",
        what="Blanks and newlines are nothing beside a Japanese or Chinese character, elsewhere one space; before a "
        "voiced or combining mark the space stays, or the mark would join",
        before="東京 都\nNew  York\n市 か ゛",
        after="東京都new york市か ゛",
        moves=(Move(Act.GAP, "\t\n "),),
    ),
)

#: What peers or Unicode's other forms change and no rule below level `key` does: characters, and why they stay.
KEPT: Final[tuple[tuple[tuple[str, ...], str], ...]] = (
    (("2010〜2020年", "10:00~12:00", "/~x", "3∼4"), "tildes and wave dashes: ranges, paths, home folders"),
    (
        ("ー", "―", "—", "–", "‐", "‑", "−", "-", "─", "一"),
        "a long vowel, dashes, hyphens, a minus, a line, a one",
    ),
    (("ウェーーーイ", "――そう", "すごーい", "wwww", "！！！！"), "repetition: a voice, not a slip"),
    (("ア・イ", "a·b", "•"), "middle dots"),
    (("“引用”", "‘a’", "it’s", '"', "'", "`", "«»", "〝〟", "「『」』"), "quotation marks"),
    (("々", "〻", "ゝゞ", "ヽヾ", "〱〲〳〴〵"), "iteration marks"),
    (("゛", "゜", "か\u309a", "あ\u3099"), "voiced marks alone, or where no composed kana exists"),
    (("①⑩㉑⑴⒈", "㈱㍿㊙🈁", "㍻㋿", "㌔㌢㌫", "℃㎡㎏℡№㏍™", "½²3½", "Ⅲⅲ"), "one character each in print"),
    (("ゟヿ", "ﬁ", "…‥", "´¨￣"), "ligatures, leaders, accents with a width"),
    (
        ("神\ufa19", "塚\ufa10", "﨑", "髙", "羽\ufa1e", "欄\uf91d", "侮\ufa30", "侻\U0002f805"),
        "variants of names",
    ),
    (("辻\U000e0100", "葛\U000e0101", "❤\ufe0f", "≩\ufe00"), "variation selectors"),
    (("！？，．：；（）［］｛｝＜＞", "マリー＝アントワネット", "¥￥"), "typography of Japanese width"),
    (
        ("𠮷野家", "叱𠮟", "👨\u200d👩\u200d👧", "\u0646\u200c\u0647"),
        "characters outside the first plane, emoji, joined letters",
    ),
    (("バス", "パス", "ハス", "ガラス", "カラス", "ハハとパパとババ", "がぱヷヺ"), "dakuten, at every level"),
)
