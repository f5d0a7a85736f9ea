"""Count the words of a list in every text, and only where they are words: アス is not in アスパラガス."""

import importlib.util
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Final, Literal, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
from numba import njit

from kakehi.arrays import BoolN, Int32M, Int64M, Int64N1, Int64NC, UInt8M, UInt32M, UInt64M
from kakehi.filters.normalisation.normalise import normalise as normalised
from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.script import SCRIPT, share
from kakehi.filters.texts import Texts, decode_into, longest_of, view
from kakehi.splitmix64 import GOLDEN_GAMMA

Guard: TypeAlias = Literal["script", "katakana", "english", "none"]
Match: TypeAlias = Literal["longest", "first"]
Level: TypeAlias = Literal["training", "archive", "none"]

_HITS, _DISTINCT, _HIT_CHARS, _CHARACTERS, _COUNTS = range(5)
_NO_CLASS, _KATAKANA, _LATIN = range(3)
_CODES = 0x110000
_BITMAP_BITS: Final = 18

#: Characters on either side of a hit that `evidence` shows.
CONTEXT: Final = 20
#: Hits that `evidence` shows.
SHOWN: Final = 20
#: Prefix of a list that is in the installed package hojichar.
INSTALLED: Final = "hojichar:"


def measure(
    column: pa.Array,
    *,
    words: Path | list[Path],
    encoding: str = "utf-8",
    normalise: Level = "training",
    guard: Guard = "script",
    match: Match = "longest",
) -> tuple[pa.Array, ...]:
    """Find the words of a list in every text: from left to right, none overlapping another.

    Args:
        column: the texts.
        words: files with one word a line; blanks around a word, blank lines and a BOM are dropped.
        encoding: of the files; a BOM of UTF-8 or UTF-16 wins.
        normalise: how words are normalised before they are looked for, as texts were; `none` takes them as they are.
        guard: `script` refuses a hit whose first or last character goes on in its script: in a run of katakana, or of
            Latin letters and digits. `katakana` refuses words all in katakana inside a run of ァ-ヴ and ー, as
            HojiChar's `ignore_confused` does. `english` wants the text's beginning or a space before, and its end or one
            of space, comma and full stop behind, and takes any case, as HojiChar's NgWordsFilterEn does. `none` refuses
            nothing.
        match: which of several words that begin at one place is the hit: the `longest`, or the `first` of the list
            (as a regular expression has it; with `katakana`, those of katakana come last).

    Raises:
        ValueError: a file that is not text or has no word.
    """
    matcher = _matcher(words, encoding, normalise, guard, match)
    texts = view(column)
    n = count_hits(texts, matcher).T
    swallow = SCRIPT.measure(column)[_SWALLOW_LETTERS].to_numpy()
    return (
        *map(pa.array, (n[_HITS], n[_DISTINCT], n[_HIT_CHARS])),
        pa.array(share(n[_HIT_CHARS], n[_CHARACTERS])),
        pa.array(share(n[_HIT_CHARS], swallow)),
    )


_SWALLOW_LETTERS: Final = [signal.name for signal in SCRIPT.signals].index("swallow_letters")


def evidence(
    column: pa.Array,
    *,
    words: Path | list[Path],
    encoding: str = "utf-8",
    normalise: Level = "training",
    guard: Guard = "script",
    match: Match = "longest",
) -> list[str]:
    """Show each hit of one text with what stands around it, the first `SHOWN`; see `measure` for the arguments."""
    matcher = _matcher(words, encoding, normalise, guard, match)
    [text] = view(column)
    codes = matcher.folded[np.array(list(map(ord, text)), np.int64)]
    hits = _find_all(codes, matcher)
    lines = []
    for start, which in hits[:SHOWN]:
        stop = start + matcher.starts[which + 1] - matcher.starts[which]
        left, right = text[max(start - CONTEXT, 0) : start], text[stop : stop + CONTEXT]
        lines.append(f"{left}【{text[start:stop]}】{right}".replace("\n", "⏎"))
    return [*lines, f"… and {len(hits) - SHOWN:,} more"] if len(hits) > SHOWN else lines


def check(*, words: Path | list[Path], encoding: str, normalise: Level, **_: object) -> None:
    """Read the word lists of a manifest, to find their faults before a run.

    Raises:
        ValueError: a file that is not text or has no word.
    """
    for path in [words] if isinstance(words, Path) else words:
        read_words(path, encoding, normalise)


def locate(path: Path) -> Path:
    """Give the file of `hojichar:NAME`, a list of the installed package hojichar; any other path as it is.

    Raises:
        ValueError: the package is not installed, or has no such list.
    """
    if not str(path).startswith(INSTALLED):
        return path
    name = str(path).removeprefix(INSTALLED)
    found = importlib.util.find_spec("hojichar")
    if found is None or found.origin is None:
        raise ValueError(f"list {str(path)!r}: hojichar is not installed (pip install 'kakehi[lists]')")
    folder = Path(found.origin).parent / "dict"
    file = folder / f"{name}.txt"
    if not file.is_file():
        raise ValueError(
            f"list {str(path)!r}: hojichar has no such list, it has {', '.join(sorted(p.stem for p in folder.glob('*.txt')))}"
        )
    return file


def count_hits(texts: Texts, matcher: "Matcher") -> Int64NC:
    """Return int64[n, counts]: what the signals are made of."""
    return _count(texts.bytes_, texts.offsets, matcher)


def read_words(path: Path, encoding: str = "utf-8", normalise: Level = "training") -> list[str]:
    """Read a list: one word a line, in the file's order, each once.

    Raises:
        ValueError: it is not text in that encoding, or has no word.
    """
    content = path.read_bytes()
    marks = {b"\xef\xbb\xbf": "utf-8-sig", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    named = next((codec for mark, codec in marks.items() if content.startswith(mark)), encoding)
    try:
        text = content.decode(named)
    except LookupError as error:
        raise ValueError(f"list {path.name!r}: no encoding {named!r}") from error
    except UnicodeDecodeError as error:
        raise ValueError(
            f"list {path.name!r}: is not {named} at byte {error.start:,}; wanted one word a line (encoding: cp932?)"
        ) from error
    if "\0" in text:
        raise ValueError(f"list {path.name!r}: holds a NUL character, wanted text of one word a line")
    lines = pa.array([line.strip() for line in text.splitlines()], pa.large_string())
    found = lines if normalise == "none" else normalised(lines, normalise)
    words = list(dict.fromkeys(word for word in found.to_pylist() if word))
    if not words:
        raise ValueError(f"list {path.name!r}: has no word")
    return words


def _counted(name: str, unit: str, source: str) -> Signal:
    return Signal(name=name, dtype=pa.int64(), unit=unit, source=source)


WORDLISTS = Family(
    measure=measure,
    reads=("text",),
    signals=(
        _counted("hits", "hits", "places where a word of the list stands, none overlapping another"),
        _counted("distinct_hits", "words", "different words among the hits"),
        _counted("hit_chars", "characters", "characters of the hits"),
        Signal(
            name="hit_share",
            dtype=pa.float64(),
            unit="share",
            source="hit_chars / characters; NaN for empty texts",
        ),
        Signal(
            name="hit_swallow_share",
            dtype=pa.float64(),
            unit="share",
            source="hit_chars / swallow_letters (see script); NaN without one; ngword.py of Swallow corpus v1",
        ),
    ),
    version=1,
    libraries=("unicodedata",),
    kernels=("script", "wordlists"),
    files=("words",),
    locate=locate,
    check=check,
    evidence=evidence,
)


class Matcher(NamedTuple):
    """A list ready for the kernel; words are sorted by their first two characters, then by rank."""

    codes: UInt32M  # of all words, one after the other
    starts: Int64M  # of word i in codes; one more at the end
    ranks: Int64M  # the lowest of the words that stand at a place is the hit
    guarded: BoolN
    pairs: UInt64M  # first two characters of each word of two or more
    alone: Int32M  # by code point: the word that is that character alone, else -1
    bitmap: UInt8M  # of hashed pairs
    classes: UInt8M  # of code points
    folded: UInt32M  # of code points: what they are compared as
    spaced: bool  # guarded words have spaces around them, whatever their script


def _matcher(
    words: Path | Sequence[Path], encoding: str, normalise: Level, guard: Guard, match: Match
) -> Matcher:
    paths = [words] if isinstance(words, Path) else list(words)
    states = tuple((path, path.stat().st_size, path.stat().st_mtime_ns) for path in map(locate, paths))
    return _open_matcher(states, encoding, normalise, guard, match)


@lru_cache(maxsize=64)
def _open_matcher(
    states: tuple[tuple[Path, int, int], ...], encoding: str, normalise: Level, guard: Guard, match: Match
) -> Matcher:
    """Read lists once a process, as long as their files stay as they are."""
    words = dict.fromkeys(word for path, *_ in states for word in read_words(path, encoding, normalise))
    return build(list(words), guard, match)


def build(words: Sequence[str], guard: Guard, match: Match) -> Matcher:
    """Sort words for the kernel."""
    classes, folded = _classes(guard), _folded(guard)
    words = list(dict.fromkeys("".join(chr(folded[ord(c)]) for c in word) for word in words))
    listed = list(enumerate(words))
    guarded = {word: guard != "katakana" or all(classes[ord(c)] for c in word) for word in words}
    if match == "longest":
        listed.sort(key=lambda item: (-len(item[1]), item[0]))
    elif guard == "katakana":
        listed.sort(key=lambda item: (guarded[item[1]], item[0]))
    ranks = {word: rank for rank, (_, word) in enumerate(listed)}
    ordered = sorted(words, key=lambda word: (len(word) > 1, word[:2], ranks[word]))
    starts = np.cumsum([0, *map(len, ordered)])
    pairs = [ord(word[0]) << 32 | ord(word[1]) for word in ordered if len(word) > 1]
    alone = np.full(_CODES, -1, np.int32)
    for index, word in enumerate(ordered):
        if len(word) == 1:
            alone[ord(word)] = index
    bitmap = np.zeros(1 << (_BITMAP_BITS - 3), np.uint8)
    for pair in pairs:
        slot = _slot(pair >> 32, pair & 0xFFFFFFFF)
        bitmap[slot >> 3] |= 1 << (slot & 7)
    return Matcher(
        codes=np.array([ord(c) for word in ordered for c in word], np.uint32),
        starts=starts.astype(np.int64),
        ranks=np.array([ranks[word] for word in ordered], np.int64),
        guarded=np.array([guard != "none" and guarded[word] for word in ordered], np.bool_),
        pairs=np.array(pairs, np.uint64),
        alone=alone,
        bitmap=bitmap,
        classes=classes,
        folded=folded,
        spaced=guard == "english",
    )


def _classes(guard: Guard) -> UInt8M:
    """Return uint8[code points]: the script in which a word goes on."""
    table = np.full(_CODES, _NO_CLASS, np.uint8)
    if guard == "katakana":
        table[0x30A1:0x30F5] = table[0x30FC] = _KATAKANA
        return table
    for first, last in ((0x30A1, 0x30FA), (0x30FC, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9F)):
        table[first : last + 1] = _KATAKANA
    for first, last in ((0x30, 0x39), (0x41, 0x5A), (0x61, 0x7A), (0xC0, 0x24F), (0x1E00, 0x1EFF)):
        table[first : last + 1] = _LATIN
    for first, last in ((0xFF10, 0xFF19), (0xFF21, 0xFF3A), (0xFF41, 0xFF5A)):
        table[first : last + 1] = _LATIN
    table[[0xD7, 0xF7]] = _NO_CLASS
    return table


def _folded(guard: Guard) -> UInt32M:
    """Return uint32[code points]: for English, lower case as Python's IGNORECASE has it, one character for one."""
    table = np.arange(_CODES, dtype=np.uint32)
    if guard == "english":
        table[:0x2FFF] = [ord(chr(code).lower()[0]) for code in range(0x2FFF)]
        table[[0x131, 0x17F]] = ord("i"), ord("s")
    return table


def _find_all(codes: UInt32M, matcher: Matcher) -> list[tuple[int, int]]:
    starts, which = np.empty(len(codes), np.int64), np.empty(len(codes), np.int64)
    found = _find(codes, matcher, starts, which)
    return list(zip(starts[:found].tolist(), which[:found].tolist(), strict=True))


@njit(cache=True, nogil=True)
def _slot(first: int, second: int) -> int:
    """Hash two code points to a bit of the bitmap."""
    mixed = (np.uint64(first) << np.uint64(21) | np.uint64(second)) * GOLDEN_GAMMA
    return int(mixed >> np.uint64(64 - _BITMAP_BITS))


@njit(cache=True, nogil=True)
def _stands(codes: UInt32M, i: int, word: int | np.intp, matcher: Matcher) -> bool:
    """Tell whether a word stands at a place, and goes on in its script at neither end if it is guarded."""
    start, stop = matcher.starts[word], matcher.starts[word + 1]
    end = i + stop - start
    if end > len(codes):
        return False
    for k in range(stop - start):
        if codes[i + k] != matcher.codes[start + k]:
            return False
    if matcher.spaced:
        last = len(codes) - 1
        behind = end >= last and (end > last or codes[end] == 0x0A)
        behind = behind or codes[end] == 0x20 or codes[end] == 0x2C or codes[end] == 0x2E
        return behind and (i == 0 or codes[i - 1] == 0x20)
    if matcher.guarded[word]:
        classes = matcher.classes
        here = classes[codes[i]]
        if here and i > 0 and classes[codes[i - 1]] == here:
            return False
        here = classes[codes[end - 1]]
        if here and end < len(codes) and classes[codes[end]] == here:
            return False
    return True


@njit(cache=True, nogil=True)
def _find(codes: UInt32M, matcher: Matcher, starts: Int64M, which: Int64M) -> int:
    """Write where hits start and which words they are; return how many."""
    found, i = 0, 0
    while i < len(codes):
        best = matcher.alone[codes[i]]
        if best >= 0 and not _stands(codes, i, best, matcher):
            best = np.int32(-1)
        if i + 1 < len(codes):
            slot = _slot(codes[i], codes[i + 1])
            if matcher.bitmap[slot >> 3] >> (slot & 7) & 1:
                pair = np.uint64(codes[i]) << np.uint64(32) | np.uint64(codes[i + 1])
                first = len(matcher.starts) - 1 - len(matcher.pairs)  # words of one character come first
                word = np.searchsorted(matcher.pairs, pair)
                while word < len(matcher.pairs) and matcher.pairs[word] == pair:
                    if _stands(codes, i, first + word, matcher):
                        if best < 0 or matcher.ranks[first + word] < matcher.ranks[best]:
                            best = np.int32(first + word)
                        break  # sorted by rank
                    word += 1
        if best < 0:
            i += 1
            continue
        starts[found], which[found] = i, best
        found += 1
        i += matcher.starts[best + 1] - matcher.starts[best]
    return found


@njit(cache=True, nogil=True)
def _count(bytes_: UInt8M, offsets: Int64N1, matcher: Matcher) -> Int64NC:
    """Count hits, distinct hits and their characters."""
    rows = len(offsets) - 1
    counts = np.zeros((rows, _COUNTS), np.int64)
    most = longest_of(offsets)
    scratch = np.empty(most, np.uint32)
    starts, which = np.empty(most, np.int64), np.empty(most, np.int64)
    seen = np.zeros(len(matcher.starts), np.int64)
    for row in range(rows):
        size = decode_into(bytes_, offsets[row], offsets[row + 1], scratch)
        for i in range(size if matcher.spaced else 0):
            scratch[i] = matcher.folded[scratch[i]]
        mine = counts[row]
        mine[_HITS] = _find(scratch[:size], matcher, starts, which)
        mine[_CHARACTERS] = size
        for word in which[: mine[_HITS]]:
            mine[_HIT_CHARS] += matcher.starts[word + 1] - matcher.starts[word]
            mine[_DISTINCT] += seen[word] != row + 1
            seen[word] = row + 1
    return counts
