"""Files that families name are found, count by their content, and show what is wrong with them before anything runs."""

import pytest

from kakehi.pipeline.errors import ManifestError
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.planning import discovery
from kakehi.pipeline.storage.store import Store

MANIFEST = """
corpus: c
sources: {s: {ingest: {files: a.jsonl, fields: {text: text, id: id}}}}
measure: [script, ng: {wordlists: {words: WORDS}}]
screen: {all: [{ng_hits: {max: 0}}]}
"""


@pytest.fixture
def manifest(make, tmp_path):
    """Give a function that writes a manifest with a list."""
    make.jsonl(
        tmp_path / "a.jsonl",
        [{"id": "x", "text": "この悪い猫が通った。"}, {"id": "y", "text": "よい犬である。"}],
    )

    def write(words="ng.txt", content="悪い猫\n"):
        make.file(tmp_path / "ng.txt", content)
        return make.file(tmp_path / "m.yaml", MANIFEST.replace("WORDS", words))

    return write


def address(path, tmp_path):
    """Give the address of the step that measures."""
    steps = discovery.make_plan(load(path), Store(tmp_path / "work"))
    return next(step.address for step in steps if step.name == "measure")


def test_the_content_decides_the_address(manifest, tmp_path):
    """Another name for the same words changes nothing, another word does."""
    first = address(manifest(), tmp_path)
    assert address(manifest("[ng.txt]"), tmp_path) == first
    assert address(manifest("'n*.txt'"), tmp_path) == first
    assert address(manifest(content="悪い犬\n"), tmp_path) != first
    assert address(manifest(), tmp_path) == first


@pytest.mark.parametrize(
    ("words", "content", "says"),
    [
        ("none.txt", "x", "m.yaml:4: measure: ng: no file 'none.txt' beside the manifest"),
        (".", "x", "measure: ng: '.' is no file"),
        ("ng.txt", b"\xff\xd8\xff\xe0", "measure: ng: list 'ng.txt': is not utf-8 at byte 0"),
        ("ng.txt", "\n\n", "measure: ng: list 'ng.txt': has no word"),
        ("'hojichar:none'", "x", "measure: ng: list 'hojichar:none': hojichar"),
    ],
)
def test_a_list_that_cant_be(manifest, words, content, says):
    """It is a fault of the manifest, with its line."""
    with pytest.raises(ManifestError) as error:
        load(manifest(words, content))
    assert says in str(error.value)


def test_hits_are_explained(kakehi, manifest, tmp_path):
    """A run drops what the list hits, and explain shows the hit in its context."""
    path, work = manifest(), tmp_path / "work"
    said = kakehi("run", path, "--work", work)
    assert said.code == 0, said.err
    assert "drop: screen:ng_hits.max" in said.out
    shown = kakehi("explain", path, "x", "--work", work)
    assert "evidence    ng: この【悪い猫】が通った。" in shown.out


def test_defaults_are_a_manifest_with_the_same_address(kakehi, manifest, make, tmp_path):
    """What `defaults` prints measures the same."""
    path = manifest()
    printed = kakehi("defaults", path)
    assert printed.code == 0, printed.err
    assert address(make.file(tmp_path / "d.yaml", printed.out), tmp_path) == address(path, tmp_path)
