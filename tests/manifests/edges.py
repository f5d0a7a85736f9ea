"""Texts at, one below and one above every threshold of the published recipes, built to the character."""

import random
import zlib
from collections.abc import Iterator

#: Characters that stand nowhere twice: what is built of them repeats nothing by chance.
_UNIQUE = [chr(code) for code in range(0x4E00, 0x9FA0)]


def unique(count: int, start: int = 0) -> str:
    """Give kanji, all different."""
    return "".join(_UNIQUE[start : start + count])


def edges() -> Iterator[str]:
    """Yield every text."""
    yield from lengths()
    yield from shares_of_letters()
    yield from sentences()
    yield from pieces()
    yield from ngrams()
    yield from marks()
    yield from compressions()


def lengths() -> Iterator[str]:
    """400 characters, 400 Japanese letters; kana at the 50th character; kuten after so many characters."""
    for near in (399, 400, 401):
        yield unique(near)
        yield unique(near) + "ー" * 5 + "𠮷" * 5 + "abc"
    for at in (48, 49, 50):
        yield unique(at) + "あ" + unique(30, 100)
        yield unique(at) + "ヴ" + unique(30, 100)  # no kana to ァ-ン
    for distance in (80, 100, 250):
        for near in (distance - 1, distance, distance + 1):
            yield unique(near - 1) + "。"
            yield (unique(near - 1) + "。") * 2


def shares_of_letters() -> Iterator[str]:
    """Of 100 or 400 letters, one more or less in hiragana, katakana, or not Japanese at all."""
    for whole in (100, 400):
        for share in (0.1, 0.2, 0.5):
            for near in (-1, 0, 1):
                part = int(whole * share) + near
                yield "あ" * part + unique(whole - part)
                yield "ア" * part + unique(whole - part)
                yield "ー" * part + unique(whole - part)
                yield "a" * part + unique(whole - part)
                yield "\n" * part + "あ" + unique(whole - part - 1)


def sentences() -> Iterator[str]:
    """Mean and longest of 20 sentences, and ellipses of 100."""
    for size in (20, 90, 200):
        for near in (-1, 0, 1):
            each = [unique(size - 1, 50 * i) + "。" for i in range(20)]
            yield "\n".join([*each[1:], unique(size - 1 + near, 5000) + "。"])
            yield "".join([*each[1:], unique(size - 1 + near, 5000) + "。"])
    for share in (0.2, 0.3, 0.7):
        for near in (-1, 0, 1):
            part = round(100 * share) + near
            for end in ("…", "...", "・", "・・・", "‥"):
                yield "".join(unique(29, 40 * i) + (end if i < part else "。") + "\n" for i in range(100))


def pieces() -> Iterator[str]:
    """Duplicate lines, sentences and paragraphs, short lines and bullets, of 100."""
    for share in (0.2, 0.3, 0.5, 0.9):
        for near in (-1, 0, 1):
            part = int(100 * share) + near
            each = [unique(11, 20 * max(i, part)) + "。" for i in range(100)]
            for joint in ("", "\n", "\n\n", " \n \n"):
                yield joint.join(each)
            yield "\n".join(unique(10 if i < part else 11, 20 * i) for i in range(100))
            yield "\n".join(("・" if i < part else "") + unique(12, 20 * i) for i in range(100))
            yield "\n\n".join(unique(10 if i < part else 11, 20 * i) for i in range(51))


def ngrams() -> Iterator[str]:
    """Of n-grams, kinds and occurrences and characters that come again."""
    for n, share in ((2, 20), (3, 18), (4, 16)):
        for near in (-1, 0, 1):
            often = "".join("あいうえ"[:n] + c for c in unique(share + near))
            yield often + unique(100 + n - 1 - len(often), 500)  # 100 n-grams
            whole = 100 * n  # characters, so that n × share is that many hundredths
            yield often + unique(whole - len(often), 500)
    for n in range(5, 11):
        bound = 20 - n
        for near in (-1, 0, 1):
            again = bound + near
            for kinds in (100, 200):
                yield _twice(n - 1 + again * kinds // 100, kinds + again * kinds // 100 + n - 1)
            yield _twice(n - 1 + again, 2 * 100 + n - 1)  # 2 × again of 200 occurrences
            yield _twice(5 * bound + near, 1000)  # 2 × so many characters of 1,000
            if n == 5:
                inside = "".join("あいうえおかき" + c for c in unique(11))  # three 5-grams, eleven times
                yield inside + unique(104 + near - len(inside), 500)


def _twice(size: int, whole: int) -> str:
    """Give a text of so many characters in which the first so many come again once."""
    piece = unique(size)
    return piece + unique(1, 3000) + piece + unique(max(whole - 2 * size - 1, 0), 4000)


def marks() -> Iterator[str]:
    """Runs of one character, board marks, blanks and nothing but marks."""
    for near in (199, 200, 201):
        yield unique(20) + "ー" * near + unique(20, 100)
        yield "あ" + "\n" * near + "い"
    for near in (13, 14, 15):
        for mark in ("-", "コメント", "2026年1月2日", "(月)", "第3話"):
            yield f"あ{mark}い。" * near
    yield from (
        "。" * 500,
        "！？" * 300,
        "\n" * 500,
        "あ",
        "あい\n",
        "あいう" * 500,
        "　 \t",
        "😀" * 450,
        "👨\u200d👩\u200d👧" * 100,
    )


def compressions() -> Iterator[str]:
    """Texts whose zlib output is so many thousandths of theirs, and one byte more and less."""
    for wanted in (300, 375, 700):
        for near in (wanted - 1, wanted, wanted + 1):
            yield from _compressing_to(near, 1000)


def _compressing_to(wanted: int, size: int) -> Iterator[str]:
    """Yield a text of `size` bytes that compresses to `wanted` bytes: random letters, and then one letter."""
    rng = random.Random(1)  # noqa: S311 - not for secrets
    noise = "".join(rng.choices("abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ+/", k=size))
    for part in range(size):
        text = "あ" + noise[:part] + "a" * (size - 3 - part)
        if len(text.encode()) == size and len(zlib.compress(text.encode(), 9)) == wanted:
            yield text
            return


def with_words(words: list[str]) -> Iterator[str]:
    """Yield texts with 1 to 16 hits of a list, parted by kanji or inside runs, and 5 % of 400 letters of hits."""
    for times in (1, 2, 3, 4, 10, 11, 14, 15):
        for i in range(3):
            some = [words[(i + k) % len(words)] for k in range(times)]
            yield "".join(f"の{word}の" for word in some)
            yield "".join(f"ア{word}ー" for word in some)
            yield "".join(some)
            yield " ".join(some)
    for word in words[:3]:
        for near in (-1, 0, 1):
            count = 20 * len(word) + near
            yield word + unique(max(count - len(word), 0))


def urls() -> Iterator[str]:
    """Yield addresses on either side of the rules about them."""
    for host in (
        "a.jp",
        "a.com",
        "a.xyz",
        "a.io",
        "a.cn",
        "5ch.net",
        "x.5ch.net",
        "x5ch.net",
        "ja.wikipedia.org",
        "wikipedia.org",
    ):
        yield from (f"https://{host}/", f"http://{host}/a", f"https://www.{host}:443/b?c")
