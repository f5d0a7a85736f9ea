"""Test what is cut out of a page before it is parsed, against a slow twin, and on the pages that decided the rules."""

import re

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from kakehi.filters.page import boilerplate
from kakehi.filters.page.boilerplate import cut_boilerplate

PROSE = "<p>" + "これは本文です。" * 20 + "</p>"
LINKS = "<ul>" + "<li><a href=/>メニューの項目</a></li>" * 5 + "</ul>"


def cut(html):
    """Cut and decode."""
    return cut_boilerplate(html.encode()).html.decode()


@pytest.mark.parametrize(
    "element",
    [
        "<script>if (a</b) '<p>'</script>",
        "<style>p {}</style >",
        "<!-- <p>古い本文</p> -->",
        "<textarea><p>入力</textarea>",
        "<svg><text>図</text></svg>",
        "<select><option>東京<option>大阪</select>",
        "<noscript><p>JavaScriptを有効にしてください</noscript>",
        "<img alt='絵>'>",
        "<input value=値>",
    ],
)
def test_what_is_never_text_goes_without_a_trace(element):
    """Whatever its share of the page."""
    assert cut(PROSE + element * 50 + PROSE) == PROSE * 2


@pytest.mark.parametrize(
    "element",
    [
        "<nav>案内</nav>",
        "<footer><p>会社</p></footer>",
        "<div class='l-footer clearfix'>会社</div>",
        "<div id=gNav>案内</div>",
        "<div class='siteSidebar'>脇</div>",
        "<div role=navigation>案内</div>",
        "<p></p><div style='color: red; DISPLAY : none'>隠し</div>",
        "<section hidden>隠し</section>",
        f"<div class=header>{LINKS}</div>",
        f"<header>{LINKS}<h1>店の名</h1></header>",
        LINKS,
        "<table><tr><td><a href=x>い</a><td><a href=y>ろ</a></table>",
    ],
)
def test_boilerplate_goes_and_leaves_a_border(element):
    """A rule stands where a block was, so that its neighbours are two paragraphs."""
    assert cut(PROSE + element + PROSE).replace("<p></p><hr>", "<hr>") == f"{PROSE}<hr>{PROSE}"


@pytest.mark.parametrize(
    "element",
    [
        "<header><h1>見出し</h1><p>要約です。</p></header>",
        "<div class='menu'>天ぷら定食、九百円</div>",
        "<div class=navy>紺の話</div>",
        "<div class=jp>日本語</div>",
        "<ul><li>短い項目</li><li>別の<a href=x>項</a>目</li></ul>",
        "<p><a href=x>続き</a></p>",
        "<table><tr><td>甲<td>乙</table>",
        "<a id=x /><ul><li>項目</ul>",
        "<div class=footer>閉じない",
        "<time>二〇二四年</time>",
        "<p>a < b</p>",
        "<title><b></title>",
        "<h1 title='<nav>'>見出し</h1>",
    ],
)
def test_what_an_author_wrote_stays(element):
    """Short lists and cells, headers with headings, menus with dishes."""
    assert cut(PROSE + element + PROSE) == PROSE + element + PROSE


def test_no_rule_takes_most_of_a_page():
    """A body in an element that is named badly, or whose end tags are muddled, is kept."""
    page = f"<div class='sidebar modal footer'>{PROSE}</div>"
    assert cut(page) == page


@pytest.mark.parametrize("gap", ["\n", " \n  ", "\r\n\r\n"])
def test_a_newline_inside_of_japanese_goes(gap):
    """Browsers' space between two lines of source is none in Japanese; beside Latin it stays, and in <pre>."""
    assert cut(f"<p>日本語の{gap}文、{gap}「続き」</p>") == "<p>日本語の文、「続き」</p>"
    assert cut(f"<p>日本{gap}abc{gap}語 文</p>") == f"<p>日本{gap}abc{gap}語 文</p>"
    assert cut(f"<pre>一{gap}二</pre>") == f"<pre>一{gap}二</pre>"
    assert cut(f"<p>𠮷{gap}𠮷한{gap}글</p>") == f"<p>𠮷𠮷한{gap}글</p>"


def test_what_is_never_text_alone():
    """For an extractor that has rules of its own; lines are joined all the same."""
    html = f"{PROSE}<nav>案内</nav><script>x</script><p>一\n二"
    assert (
        cut_boilerplate(html.encode(), never_text_alone=True).html.decode()
        == f"{PROSE}<nav>案内</nav><p>一二"
    )


def test_words_are_cut_where_case_turns():
    """So that `globalNav` is a nav, and `navy`, `shared` and `Adobe` are no menu, share button or advertisement."""
    assert "会社" not in cut(PROSE + "<div id=globalNav>会社</div>" + PROSE)
    assert cut(PROSE + "<div class='navy shared Adobe'>会社</div>").count("会社") == 1


def test_counts():
    """Tags and nesting are those of the source."""
    found = cut_boilerplate(b"<div>" * 7 + b"</div>" * 3 + b"<p><b>")
    assert (found.tags, found.depth) == (12, 7)


# The slow twin: tags by regular expressions, elements as a list of lists, text as strings.
KINDS = {
    **dict.fromkeys(boilerplate.NEVER_TEXT, "never"),
    **dict.fromkeys(boilerplate.NAMED, "named"),
    "header": "header",
    **dict.fromkeys(boilerplate.LISTS, "list"),
    **dict.fromkeys(boilerplate.BLOCKS, "block"),
    "pre": "pre",
    **dict.fromkeys(boilerplate.VOID, "void"),
}
VALUE = r"""(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>"'][^\s>]*|(?=>))))?"""
ATTRIBUTE = re.compile(rf"[\s/=]*([^\s>/=]+){VALUE}", re.ASCII)
WORD = re.compile("[A-Z]*[a-z]+|[A-Z]+|[a-z]+")


def slowly(html):
    """Cut by the rules as the docstring has them."""
    gone, borders = set(), set()
    elements, open_, marks = [], [], []  # marks: place, whether in a link
    link = None
    i = 0
    while i < len(html):
        if html.startswith("<!--", i):
            end = html.find("-->", i + 4)
            if end < 0:
                break
            gone.update(range(i, end + 3))
            i = end + 3
            continue
        tag = re.compile(r"<(/?)([a-zA-Z][^\s>/=]*)", re.ASCII).match(html, i)
        if not tag:
            if not re.match("[ \n\t\r\f]", html[i]):
                marks.append((i, link is not None))
            i += 1
            continue
        start, name, ends = i, tag[2].lower(), bool(tag[1])
        i, attributes = tag_end(html, tag.end())
        if i is None:
            break
        if name == "a":
            link = (
                len(open_)
                if not ends and any(key == "href" and value is not None for key, value in attributes)
                else None
            )
        elif not ends and name in {*boilerplate.RAW, "title"}:
            closing = re.compile(rf"</{name}(?=[\s>/=]|$)[^>]*>?", re.IGNORECASE | re.ASCII).search(html, i)
            i = closing.end() if closing else len(html)
            if name != "title":
                gone.update(range(start, i))
        elif KINDS.get(name) == "void":
            gone.update(range(start, i))
        elif name in KINDS and not ends:
            if name == "td" and open_ and open_[-1]["name"] == "td":
                close(open_, open_[-1], start, start, elements, marks, gone)
            open_.append({"name": name, "start": start, "hard": hardness(attributes)})
        elif name in KINDS:
            found = next((element for element in reversed(open_) if element["name"] == name), None)
            if found:
                close(open_, found, start, i, elements, marks, gone)
                if link is not None and link > len(open_):
                    link = None
    total = sum(not linked for _, linked in marks)
    for element in elements:
        inside = [linked for place, linked in marks if element["start"] <= place < element["end"]]
        if goes(element, len(inside), sum(inside), total):
            gone.update(range(element["start"], element["end"]))
            borders.add(element["start"])
    out = ""
    for i, char in enumerate(html):
        if i in gone:
            out += "<hr>" if i in borders and i - 1 not in gone else ""
        else:
            out += char
    return out


def close(open_, found, start, end, elements, marks, gone):
    while True:
        element = open_.pop()
        element["end"] = end if element is found else start
        span = range(element["start"], element["end"])
        if KINDS[element["name"]] == "never":
            gone.update(span)
            marks[:] = [mark for mark in marks if mark[0] < element["start"]]
        elif element["name"] != "pre":
            elements.append(element)
        if element is found:
            return


def goes(element, text, linked, total):
    kind = KINDS[element["name"]]
    if text == 0 or 3 * (text - linked) > total:
        return False
    if kind == "named" or element["hard"] == 2:
        return True
    if (kind == "header" or element["hard"] == 1) and 10 * linked >= 3 * text:
        return True
    return 2 * linked > text if kind == "list" else 3 * linked > 2 * text


def tag_end(html, i):
    attributes = []
    while i < len(html):
        if html[i] == ">":
            return i + 1, attributes
        found = re.compile(r"[\s/=]+", re.ASCII).match(html, i)
        if found:
            i = found.end()
            continue
        name = re.compile(r"[^\s>/=]+", re.ASCII).match(html, i)
        i = name.end()
        equals = re.compile(r"\s*=\s*", re.ASCII).match(html, i)
        if not equals:
            attributes.append((name[0].lower(), None))
            continue
        i = equals.end()
        if i == len(html):
            return None, attributes
        if html[i] in "\"'":
            end = html.find(html[i], i + 1)
            if end < 0:
                return None, attributes
            attributes.append((name[0].lower(), html[i + 1 : end]))
            i = end + 1
        else:
            value = re.compile(r"[^\s>]*", re.ASCII).match(html, i)
            attributes.append((name[0].lower(), value[0]))
            i = value.end()
    return None, attributes


def hardness(attributes):
    most = 0
    for name, value in attributes:
        if name == "hidden" or (name == "style" and "display:none" in "".join((value or "").lower().split())):
            most = 2
        elif name in {"class", "id", "role"} and value is not None:
            for run in re.findall("[a-zA-Z]+", value):
                for word in re.findall("[A-Z]*[a-z]*", run):
                    most = max(
                        most,
                        2 * (word.lower() in boilerplate.HARD_WORDS),
                        word.lower() in boilerplate.SOFT_WORDS,
                    )
    return most


# fmt: off
PIECES = [
    *"あa \n<>/='\"", "<div>", "</div>", "<DIV class=nav>", "<div id='side menu'>", "<ul>", "</ul>", "<li>", "<a href=x>",
    "</a>", "<a id=x>", "<td>", "</td>", "<table>", "</table>", "<!--", "-->", "<script>", "</script>", "<title>",
    "</title>", "<svg>", "</svg>", "<img alt=x>", "<header>", "</header>", "<nav>", "</nav>", "<p class=nav>", "<div hidden>", "ああああああああ",
    "<div style='display: none'>", "<section style=display:NONE;x>", "</section>", "<a href=x>いいいい</a>", "<b x=>", "<i a='>",
]
# fmt: on


@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join))
@example("<td><a href=x>い<td>あ</td>ああああ")
@example("<div>ああああ<div class=nav>あ</div></div>")
@settings(max_examples=400)
def test_like_the_slow_twin(html):
    """The kernel cuts what the rules, spelt out, cut; lengths are bytes there and characters here."""
    # One byte a character, so that shares agree; joining lines is tested above.
    html = html.replace("あ", "x").replace("い", "y")
    assert cut(html) == slowly(html)


@pytest.mark.parametrize(
    "tag", ["<ul>", "<div>", "<header>", "<div class=related>", "<nav>", "<td>", "<p class=nav>", "<svg>"]
)
@pytest.mark.parametrize("rest", [0, 11, 12, 13, 40])
def test_every_share_like_the_slow_twin(tag, rest):
    """Around each limit: links of 0 to 12 characters in an element of 12, beside so much other text."""
    name = tag[1:-1].split()[0]
    for linked in range(13):
        html = f"{'x' * rest}{tag}{'y' * (12 - linked)}<a href=x>{'z' * linked}</a></{name}>"
        assert cut(html) == slowly(html)


@pytest.mark.parametrize(
    "piece", ["<div>", "<div class='", "<!--", "<script>", "<a href=x>", "</div>", "<ul><li>", "<td>", "<"]
)
def test_hostile_repetition_is_linear(piece):
    """A million bytes of anything come back in one pass; the suite's time limit would notice another square."""
    html = (piece * (1_000_000 // len(piece))).encode()
    assert len(cut_boilerplate(html).html) <= len(html)


def test_muddled_end_tags_are_linear():
    """An end tag is looked for among the innermost 256 open elements only."""
    html = b"<div>" * 100_000 + b"</ul>" * 100_000
    assert cut_boilerplate(html).depth == 100_000


@given(st.binary(max_size=120))
@settings(max_examples=200)
def test_any_bytes(html):
    """Whatever comes in, no more comes out."""
    assert len(cut_boilerplate(html).html) <= len(html)
