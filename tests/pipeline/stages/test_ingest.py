"""ingest: rows of text become documents through a field map."""

import gzip
from collections import Counter

import pytest

from kakehi.pipeline.sources.split import Split
from kakehi.pipeline.stages.ingest import ingest
from kakehi.pipeline.storage.shards import InputFile


def rows(path, *, limit=None, **parameters):
    """Ingest one file; give (documents, rejects)."""
    split = Split("s", InputFile(name=path.name, path=path, size=1, mtime_ns=1), {}, limit)
    found = list(ingest(split, **parameters))
    return tuple([row for part in found for row in getattr(part, kind).to_pylist()] for kind in part_kinds)


part_kinds = ("documents", "rejects")


def test_fields_are_mapped(make, tmp_path):
    """The input's names become ours; a row without text is a reject."""
    path = make.jsonl(
        tmp_path / "a.jsonl", [{"body": "本文", "key": 7, "link": "https://A.example/"}, {"key": 8}]
    )
    [row], [reject] = rows(path, fields={"text": "body", "id": "key", "url": "link"})
    assert (row["text"], row["url"], row["host"]) == ("本文", "https://A.example/", "a.example")
    assert (row["codec"], row["codec_from"]) == ("utf-8", "format")
    assert (reject["reason"], reject["note"]) == ("missing_field", "body")
    assert row["id"] != reject["id"]


def test_ids_hang_on_the_source_and_the_inputs_own(make, tmp_path):
    """The same id in another file is the same document; without one, the place decides."""
    one = make.jsonl(tmp_path / "a.jsonl", [{"text": "あ", "id": "x"}])
    two = make.jsonl(tmp_path / "b.jsonl", [{"text": "い", "id": "x"}])
    with_id, without = {"text": "text", "id": "id"}, {"text": "text"}
    assert rows(one, fields=with_id)[0][0]["id"] == rows(two, fields=with_id)[0][0]["id"]
    assert rows(one, fields=without)[0][0]["id"] != rows(two, fields=without)[0][0]["id"]


def test_a_text_file_has_its_charset_found_out(make, tmp_path):
    """Bytes of a plain file are decoded as a page's are."""
    path = make.file(tmp_path / "a.txt", "これはただの文章です。".encode("cp932"))
    [row], _ = rows(path)
    assert (row["text"], row["codec"]) == ("これはただの文章です。", "cp932")


def test_the_level_of_normalisation(make, tmp_path):
    """`archive` keeps what `training` folds."""
    path = make.jsonl(tmp_path / "a.jsonl", [{"text": "ﾊﾝｶｸ ｶﾅ"}])
    assert rows(path, normalise="archive")[0][0]["text"] == "ﾊﾝｶｸ ｶﾅ"
    assert rows(path)[0][0]["text"] != "ﾊﾝｶｸ ｶﾅ"


def test_an_empty_file_gives_nothing(make, tmp_path):
    """No batch at all."""
    assert rows(make.file(tmp_path / "a.jsonl", b"")) == ([], [])


def test_limit(make, tmp_path):
    """So many records are read and no more."""
    assert len(rows(make.texts(tmp_path / "a.jsonl", 5), limit=2)[0]) == 2


def test_a_name_that_tells_no_format_is_refused(make, tmp_path):
    """`format` says it then."""
    path = make.jsonl(tmp_path / "a.dat", [{"text": "あ"}])
    with pytest.raises(ValueError, match="tells no format"):
        rows(path)
    assert len(rows(path, format="jsonl")[0]) == 1


def counts(path, **parameters):
    """Ingest one file; give what is counted."""
    split = Split("s", InputFile(name=path.name, path=path, size=1, mtime_ns=1), {}, None)
    return sum((Counter(part.counts) for part in ingest(split, **parameters)), Counter())


def test_what_becomes_of_fields_is_counted(make, tmp_path):
    """Receipts have the rows looked at, those that lack a field, and those whose field is no text."""
    path = make.jsonl(
        tmp_path / "a.jsonl", [{"text": "あ", "n": 3}, {"text": "い", "n": "x"}, {"text": "う"}]
    )
    found = counts(path, fields={"text": "text", "title": "n"})
    assert (found["mapped"], found["absent/title"], found["lost/title"]) == (3, 1, 1)
    assert not any(name.startswith("key/") for name in found)


@pytest.mark.parametrize("form", ["plain", "aozora", "jsonl"])
def test_a_broken_file_is_an_error_unless_it_is_accepted(make, tmp_path, form):
    """Accepted, its rest is a counted reject."""
    path = make.file(tmp_path / "a.gz", gzip.compress('{"text": "あ"}\n'.encode() * 99)[:-9])
    with pytest.raises(ValueError, match=r"broken_gzip: .*records were read before that"):
        rows(path, format=form)
    found = counts(path, format=form, accept_broken=True)
    assert (found["reject/broken_gzip"], found["broken_files"]) == (1, 1)


@pytest.mark.parametrize(
    ("name", "way_out"),
    [
        ("a.csv", "dataset: csv"),
        ("a.csv.gz", "dataset: csv"),
        ("a.warc.gz", "extract"),
        ("a.tar.gz", "unpack"),
        ("a.jsonl.bz2", "pack it anew"),
        ("a.html", "format says"),
    ],
)
def test_a_name_says_how_its_files_are_read(make, tmp_path, name, way_out):
    """The error has the way out."""
    with pytest.raises(ValueError, match=rf"tells no format(?s:.*)\nhint: .*{way_out}"):
        rows(make.file(tmp_path / name, b"x"))


def test_memory_says_which_windows_are_read(make, tmp_path):
    """Half of what a worker may take."""
    packed = b"\x28\xb5\x2f\xfd\0\x98" + (13 << 3 | 1).to_bytes(3, "little") + b'{"text": "a"}'  # 512 MiB
    path = make.file(tmp_path / "a.jsonl", packed)
    split = Split("s", InputFile(name="a.jsonl", path=path, size=1, mtime_ns=1), {}, None)
    assert sum(part.documents.num_rows for part in ingest(split)) == 1
    with pytest.raises(ValueError, match="its zstd window is 512 MiB, wanted at most 500 MiB"):
        list(ingest(split._replace(memory_bytes=1000 << 20)))
