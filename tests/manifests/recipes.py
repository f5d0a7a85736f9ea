"""The published recipes, written plainly from their definitions; importing nothing of ours.

Each takes a text (and a URL, and word lists) and names the rules that object, or returns None where the original fails.
"""

import math
import re
import zlib
from collections import Counter
from itertools import groupby
from urllib.parse import urlsplit

TLDS = {"biz", "cc", "com", "info", "jp", "me", "net", "org", "site", "tokyo", "tv", "work", "xyz"}
BULLETS = "・•●○◎■□◆◇▶►▼▽▲△★☆※◦‣⁃＊*-–—"
BLANKS = " \t\u3000"


def grams(text, n):
    """Count n-grams of characters."""
    return Counter(text[i : i + n] for i in range(len(text) - n + 1))


def extra(items):
    """Give the share of items that came before, and of their characters."""
    seen, again = set(), []
    for item in items:
        again += [item] if item in seen else []
        seen.add(item)
    return len(again) / len(items), len("".join(again)) / (len("".join(items)) or 1)


def swallow(text, *, readme=False):
    """Swallow corpus v1, quality rules; `readme` takes its description of the 5- to 10-gram rules."""
    found = [re.findall("[^。．！？!?]+[。．！？!?]?", line) for line in text.split("\n")]
    sentences = [sentence for line in found for sentence in line]
    if len(text) < 4 or not sentences:
        return None
    hiragana, katakana = len(re.findall("[ぁ-ゖ]", text)), len(re.findall("[ァ-ヺ]", text))
    letters = hiragana + katakana + len(re.findall("[々〇〻\u3400-\u9fff\uf900-\ufaff、，。．！？]", text))
    lines, line_chars = extra(["".join(line) for line in found])
    again, again_chars = extra(sentences)
    mean = len("".join(sentences)) / len(sentences)
    broken = sum(sentence.strip().endswith(("・", "…")) for sentence in sentences) / len(sentences)
    rules = {
        "characters.min": len(text) < 400,
        "swallow_duplicate_line_share.max": lines > 0.30,
        "swallow_duplicate_sentence_share.max": again > 0.30,
        "swallow_duplicate_line_char_share.max": line_chars > 0.20,
        "swallow_duplicate_sentence_char_share.max": again_chars > 0.20,
        "swallow_hiragana_share.min": (hiragana / letters if letters else 0) < 0.2,
        "swallow_katakana_share.max": (katakana / letters if letters else 0) > 0.5,
        "swallow_japanese_share.min": letters / len(text) < 0.5,
        "swallow_letters.min": letters < 400,
        "swallow_mean_sentence_chars.min": mean < 20,
        "swallow_mean_sentence_chars.max": mean > 90,
        "swallow_max_sentence_chars.max": max(map(len, sentences)) > 200,
        "swallow_ellipsis_share.max": broken > 0.2,
    }
    for n, most in ((2, 0.20), (3, 0.18), (4, 0.16)):
        counts = grams(text, n)
        rules[f"top_{n}gram_share.max"] = max(counts.values()) / sum(counts.values()) > most
    for n in range(5, 11):
        counts = grams(text, n)
        again = [times for times in counts.values() if times > 1]
        if readme:
            rules[f"duplicate_{n}gram_share.max"] = sum(again) / (sum(counts.values()) or 1) > (20 - n) / 100
        else:
            rules[f"duplicate_{n}gram_type_share.max"] = len(again) / (len(counts) or 1) > (20 - n) / 100
    return {rule for rule, objects in rules.items() if objects}


def swallow_lists(text, url, words):
    """Swallow corpus v1, NG words (longest match) and the two hosts its code names."""
    letters = len(re.findall("[ぁ-ゖァ-ヺ々〇〻\u3400-\u9fff\uf900-\ufaff、，。．！？]", text))
    hit, i = 0, 0
    while i < len(text):
        size = max((len(word) for word in words if text.startswith(word, i)), default=0)
        hit, i = hit + size, i + (size or 1)
    host = urlsplit(url).hostname or ""
    rules = {
        "ng_hit_swallow_share.under": letters > 0 and hit / letters >= 0.05,
        "hosts_blocked.max": host.endswith((".5ch.net", "wikipedia.org")),
    }
    return {rule for rule, objects in rules.items() if objects}


def llmjp(text, url, lists, *, strict=False):
    """LLM-jp corpus v1, filters for Japanese web pages."""
    hits = {name: len(guarded(lists[name]).findall(text)) for name in ("adult", "discrimination", "violence")}
    ratio = len(zlib.compress(text.encode(), 9)) / len(text.encode())
    few, sentence = (2, 80) if strict else (3, 250)
    rules = {
        "llmjp_address_blocked.max": url.startswith("https://ja.wikipedia.org/"),
        "llmjp_address_top_level_domain.in": urlsplit(url).hostname.split(".")[-1] not in TLDS,
        "printed.min": not text.strip(),
        "leading_kana.min": not re.search("[ぁ-んァ-ン]", text[:50]),
        "llmjp_ads_hits.max": len(either(lists["advertisement"]).findall(text)) > 10,
        **{f"llmjp_{name}_hits.max": times > few for name, times in hits.items()},
        "kuten_distance": text.count("。") < len(text) / sentence,
        "compression_ratio.min": ratio < (0.375 if strict else 0.30),
        "compression_ratio.max": ratio > 0.70,
    }
    return {rule for rule, objects in rules.items() if objects}


def hojichar(text, lists):
    """HojiChar's document filters with their defaults, those that a plain install has."""
    english = "|".join(map(re.escape, lists["adult_en"]))
    day = r"\d{4}[年.\-/] *\d{1,2}[月.\-/] *\d{1,2}日*"
    marks = rf"{day}|コメント|SOLD OUT|レビュー|投稿|ページ|\([月火水木金土日]\)|質問|\d+話|楽天市場|-"
    counts = grams(text, 5)
    again = sorted((times for times in counts.values() if times > 1), reverse=True)
    lines = [len(line) for line in text.split("\n")]
    rules = {
        "hojichar_adult_hits.max": either(lists["adult"]).search(text),
        "hojichar_adult_en_hits.max": re.search(rf"(?:^| )(?:{english})(?:[ ,.]|$)", text, re.IGNORECASE),
        "hojichar_discrimination_hits.max": either(lists["discrimination"]).search(text),
        "hojichar_violence_hits.max": either(lists["violence"]).search(text),
        "hojichar_bbs_marks.max": len(re.findall(marks, text)) > 14,
        "hojichar_ads_hits.max": len(either(lists["advertisement"]).findall(text)) > 14,
        "leading_kana.min": not re.search("[ぁ-んァ-ン]", text[:50]),
        "kuten_distance": text.count("。") < len(text) / 100,
        "frequent_5gram_share.under": sum(again[: math.isqrt(len(counts))]) / (sum(counts.values()) or 1)
        >= 0.33,
        "longest_run.under": max((len(list(run)) for _, run in groupby(text)), default=0) >= 200,
        "hojichar_ellipsis_share.max": len(re.findall(r"(?:\.{3}|…)\n", text)) / max(text.count("\n"), 1)
        > 0.7,
        "hojichar_short_line_share.max": sum(size <= 10 for size in lines) / len(lines) > 0.5,
    }
    return {rule for rule, objects in rules.items() if objects}


def gopher(text):
    """Gopher's rules on repetition, bullets and ellipses, with characters for words."""
    lines = [line.strip(BLANKS) for line in text.split("\n") if line.strip(BLANKS)]
    paragraphs = [p.strip(BLANKS) for p in re.split(f"\n[{BLANKS}\n]*\n", text.strip(BLANKS + "\n")) if p]
    line, line_chars = extra(lines)
    paragraph, paragraph_chars = extra(paragraphs)
    rules = {
        "duplicate_line_share.max": line > 0.30,
        "duplicate_paragraph_share.max": paragraph > 0.30,
        "duplicate_line_char_share.max": line_chars > 0.20,
        "duplicate_paragraph_char_share.max": paragraph_chars > 0.20,
        "bullet_line_share.max": sum(line[0] in BULLETS for line in lines) / len(lines) > 0.90,
        "ellipsis_line_share.max": sum(line.endswith(("…", "‥", "...", "・・・")) for line in lines)
        / len(lines)
        > 0.30,
    }
    for n, most in ((2, 0.20), (3, 0.18), (4, 0.16)):
        counts = grams(text, n)
        rules[f"top_{n}gram_char_share.max"] = n * max(counts.values(), default=0) / len(text) > most
    for n in range(5, 11):
        counts = grams(text, n)
        inside = {i + j for i in range(len(text) - n + 1) if counts[text[i : i + n]] > 1 for j in range(n)}
        rules[f"duplicate_{n}gram_char_share.max"] = len(inside) / len(text) > (20 - n) / 100
    return {rule for rule, objects in rules.items() if objects}


def kakehi_ja(text):
    """Our own recipe, but for the language."""
    lines = [line.strip(BLANKS) for line in text.split("\n") if line.strip(BLANKS)]
    paragraphs = [p.strip(BLANKS) for p in re.split(f"\n[{BLANKS}\n]*\n", text.strip(BLANKS + "\n")) if p]
    found = [
        s.strip(BLANKS)
        for line in lines
        for s in re.findall("[^。．！？!?]*[。．！？!?]+|[^。．！？!?]+", line)
    ]
    sentences = [sentence for sentence in found if sentence]
    printed = len("".join(text.split()))
    hiragana = len(re.findall("[ぁ-ゖゝ-ゟ]", text))
    katakana = len(re.findall("[ァ-ヺー-ヿㇰ-ㇿｦ-ﾝ]", text))
    kanji = len(re.findall("[々〆〇〻\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]", text))
    marks = len(
        re.findall("[\u3001-\u3004\u3008-\u303a\u303c-\u303f\u3099-\u309c゠・！-／：-＠［-｀｛-･ﾞﾟ]", text)
    )
    mean = len("".join(sentences)) / len(sentences)
    line, line_chars = extra(lines)
    sentence, sentence_chars = extra(sentences)
    paragraph, paragraph_chars = extra(paragraphs)
    rules = {
        "characters.min": len(text) < 400,
        "kana_share.min": (hiragana + katakana) / printed < 0.10,
        "japanese_share.min": (hiragana + katakana + kanji + marks) / printed < 0.5,
        "katakana_share.max": katakana / printed > 0.5,
        "mean_sentence_chars.min": mean < 20,
        "mean_sentence_chars.max": mean > 90,
        "max_sentence_chars.max": max(map(len, sentences)) > 200,
        "ellipsis_share.max": sum(s[-1] in "・…" for s in sentences) / len(sentences) > 0.2,
        "kuten_distance": text.count("。") < len(text) / 250,
        "longest_run.under": max(len(list(run)) for _, run in groupby(text)) >= 200,
        "short_line_share.max": sum(len(line) <= 10 for line in lines) / len(lines) > 0.5,
        "duplicate_line_share.max": line > 0.30,
        "duplicate_line_char_share.max": line_chars > 0.20,
        "duplicate_sentence_share.max": sentence > 0.30,
        "duplicate_sentence_char_share.max": sentence_chars > 0.20,
        "duplicate_paragraph_share.max": paragraph > 0.30,
        "duplicate_paragraph_char_share.max": paragraph_chars > 0.20,
    }
    for n, most in ((2, 0.20), (3, 0.18), (4, 0.16)):
        counts = grams(text, n)
        rules[f"top_{n}gram_share.max"] = max(counts.values(), default=0) / (sum(counts.values()) or 1) > most
    for n in range(5, 11):
        counts = grams(text, n)
        again = sum(times > 1 for times in counts.values())
        rules[f"duplicate_{n}gram_type_share.max"] = again / (len(counts) or 1) > (20 - n) / 100
    return {rule for rule, objects in rules.items() if objects}


def either(words):
    """Match any of some words, the first of the list where several fit."""
    return re.compile("|".join(map(re.escape, words)))


def guarded(words):
    """Match any of some words, those of katakana only outside a run of katakana."""
    runs = [word for word in words if re.fullmatch("[ァ-ヴー]+", word)]
    others = [word for word in words if word not in runs]
    inside = "|".join(map(re.escape, runs))
    return re.compile("|".join([*map(re.escape, others), f"(?<![ァ-ヴー])(?:{inside})(?![ァ-ヴー])"]))
