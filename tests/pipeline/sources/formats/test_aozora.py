"""Works of Aozora Bunko, alone and in zip files."""

import zipfile

import pytest

from kakehi.pipeline.sources.formats import aozora
from kakehi.pipeline.sources.formats.records import Record, Reject
from kakehi.pipeline.sources.split import Split
from kakehi.pipeline.stages.ingest import ingest
from kakehi.pipeline.storage.shards import InputFile

WORK = "筧の水\n架空花子\n\n古い筧《かけひ》の※［＃「魚＋昜」、146-下-16］\n\n\n底本：「架空全集」\n".replace(
    "\n", "\r\n"
)


def test_a_text_file(make, tmp_path):
    """Its bytes are for the stage to decode."""
    path = make.file(tmp_path / "a.txt", WORK.encode("cp932"))
    [record] = aozora.read(path)
    assert (record.body, record.content_type) == (WORK.encode("cp932"), aozora.MEDIA_TYPE)


def test_every_text_of_a_zip_file(tmp_path):
    """Pictures are passed over; the place of a member is its offset."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("1.txt", WORK.encode("cp932"))
        archive.writestr("fig.png", b"png")
        archive.writestr("2.TXT", "水".encode("cp932"))
        archive.writestr("3.txt", b"")
    one, two, three = aozora.read(path)
    assert isinstance(one, Record)
    assert (one.offset, one.body) == (0, WORK.encode("cp932"))
    assert two.offset > 0
    assert (three.reason, three.note) == ("empty_body", "3.txt")


def test_a_damaged_member_is_a_reject(tmp_path):
    """Its neighbours are read; a text over the limit is one too."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.txt", b"a" * 100)
        archive.writestr("2.txt", b"b" * 9)
    path.write_bytes(path.read_bytes().replace(b"aaaa", b"axaa", 1))
    broken, sound = aozora.read(path)
    assert (type(broken), broken.reason, type(sound)) == (Reject, "broken_zip", Record)
    assert [item.reason for item in aozora.read(path, max_body_bytes=8)][1] == "too_large"


def test_a_zip_file_cut_short_is_an_error(tmp_path):
    """Its directory lies at its end; without one it is no zip file, and no text either."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("1.txt", WORK.encode("cp932"))
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(ValueError, match="zip"):
        list(aozora.read(path))


@pytest.mark.parametrize(("ruby", "text"), [("drop", "古い筧の〓"), ("brackets", "古い筧《かけひ》の〓")])
def test_from_file_to_document(make, tmp_path, ruby, text):
    """Title, text, charset, and the character without a code counted."""
    path = make.file(tmp_path / "a.txt", WORK.encode("cp932"))
    split = Split("s", InputFile(name="a.txt", path=path, size=1, mtime_ns=1), {}, None)
    [rows] = ingest(split, format="aozora", ruby=ruby)
    [row] = rows.documents.to_pylist()
    assert (row["title"], row["text"], row["codec"], row["replaced"]) == ("筧の水", text, "cp932", 1)
