"""Test the markup of Aozora Bunko on a work made up for it."""

import pytest

from kakehi.filters.page.aozora import read_aozora

HEAD = """筧の水
架空花子
山田架空訳

-------------------------------------------------------
【テキスト中に現れる記号について】

《》：ルビ
（例）筧《かけひ》
｜：ルビの付く文字列の始まりを特定する記号
-------------------------------------------------------

"""
TAIL = """


底本：「架空全集　第一巻」架空書房
　　　1931（昭和6）年1月1日発行
入力：だれか
青空文庫作成ファイル：
このファイルは、インターネットの図書館、青空文庫で作られました。
"""


def read(body, **options):
    """Read a whole file with this body."""
    return read_aozora(HEAD + body + TAIL, **options)


def test_the_frame_is_no_text():
    """Title apart; author, signs and closing notes gone; blank lines between paragraphs kept."""
    work = read("　水は流れる。\n\n　底本：のない話。\n")
    assert work == ("筧の水", "　水は流れる。\n\n　底本：のない話。", 0)


def test_a_file_without_an_explanation_of_signs():
    """The head ends at its first blank line; a line of hyphens inside of a work is text."""
    assert (
        read_aozora("題\n著者\n\n一\n----------\n二\n----------\n三" + TAIL).text
        == "一\n----------\n二\n----------\n三"
    )


@pytest.mark.parametrize(
    ("ruby", "text"), [("drop", "古い筧の水音"), ("brackets", "古い筧《かけひ》の水音《みずおと》")]
)
def test_ruby(ruby, text):
    """With or without a mark of where its word begins."""
    assert read("古い筧《かけひ》の｜水音《みずおと》", ruby=ruby).text == text


def test_a_bar_without_ruby_stays():
    """It is text then."""
    assert read("山の歌｜川の歌\n海｜波《なみ》").text == "山の歌｜川の歌\n海波"


@pytest.mark.parametrize(
    ("note", "char"),
    [
        ("「口＋亞」、第3水準1-15-8", "\u555e"),
        ("「廴＋囘」、第4水準2-12-11", "𢌞"),
        ("二の字点、1-2-22", "〻"),
        ("丸10、1-13-10", "⑩"),
        ("濁点付き片仮名ワ、1-7-82", "ヷ"),
        ("「火＋武」、U+2AE35、481-1", "\U0002ae35"),
        ("始め二重山括弧、1-1-52", "《"),
        ("「魚＋昜」、146-下-16", "〓"),
        ("判読不可、153-18", "〓"),
        ("ない、U+110000", "〓"),
        ("ない、U+D800", "〓"),
        ("ない、第3水準1-95-1", "〓"),
    ],
)
def test_a_character_outside_the_code(note, char):
    """By Unicode, else by plane, row and cell; else 〓, counted."""
    work = read(f"水が※［＃{note}］れる")
    assert (work.text, work.unknown) == (f"水が{char}れる", int(char == "〓"))


def test_real_double_brackets_are_no_ruby():
    """They come as characters outside the code, and are put in when readings have gone."""
    body = "声《こえ》は※［＃始め二重山括弧、1-1-52］水※［＃終わり二重山括弧、1-1-53］と言った"
    assert read(body).text == "声は《水》と言った"


def test_notes_go():
    """Those inside of others first; a line of notes with its newline; ruby on a character outside the code too."""
    body = (
        "［＃３字下げ］一［＃「一」は中見出し］\n［＃ここから２字下げ］\n水が［＃「水が」に傍点］流れ※［＃二の字点、1-2-22］《いよいよ》\n"
        "［＃改ページ］\n国破［＃レ］山河在［＃リ］［＃「※［＃「魚＋昜」、146-下-16］」は底本では「腸」］"
    )
    work = read(body)
    assert work.text == "一\n水が流れ〻\n国破山河在"


def test_an_inset_note_becomes_brackets():
    """［＃割り注］ opens text, and must not be glued to what it explains."""
    assert read("筧［＃割り注］水の樋［＃割り注終わり］の音").text == "筧（水の樋）の音"


def test_repeat_marks_and_accents():
    """What the typists' keyboards lacked."""
    assert read("いよ／＼、しみ／″＼と").text == "いよ〳〵、しみ〴〵と"
    assert read("〔fiance' de'ja` c,a coe&ur〕の〔人〕").text == "fiancé déjà ça cœurの〔人〕"


def test_carriage_returns():
    """The files have them."""
    assert read_aozora((HEAD + "水\n\n音" + TAIL).replace("\n", "\r\n")).text == "水\n\n音"


@pytest.mark.parametrize(
    "file", ["", "\n", "題", "題\n\n", "［＃", "※［＃］《", "〔'〕", "-" * 20, "［＃［＃［＃］"]
)
def test_nothing_much(file):
    """Next to nothing is an empty work or its characters, never an error."""
    assert isinstance(read_aozora(file).text, str)
