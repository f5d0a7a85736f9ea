"""No YAML file, however it was made, costs more than its size, and each fault is one error with its line."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from kakehi.pipeline.engines.machine import load_machine
from kakehi.pipeline.errors import ManifestError
from kakehi.pipeline.manifest.compile import load

ALIASES = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{k}: &a{k} [{', '.join([f'*a{k - 1}'] * 9)}]\n" for k in range(1, 10)
)
FILES = {
    f"{ALIASES}corpus: *a9\n".encode(): ":6: got over 100,000 values",
    b"&a\ncorpus: *a\n": ":2: alias *a stands in what it names",
    b"corpus: h\nx: &x {<<: *x}\n": ":2: alias *x stands in what it names",
    b"corpus: h\nname: " + b"[" * 100_000: ":2: got over 32 levels",
    b"corpus: h\nname: " + b"[" * 900 + b"]" * 900: ":2: got over 32 levels",
    b"corpus: h\nworkers: " + b"9" * 5000: ":2: got a number of 5,000 digits",
    b"corpus: h\nworkers: 0x" + b"f" * 5000: ":2: got a number of 5,002 digits",
    "corpus: h\n# été\n".encode("latin-1"): ":2: is not UTF-8",
    "corpus: h\n".encode("utf-16"): ":1: is not UTF-8",
    b"corpus: h\nname: 2001-99-99\n": ":2: is no YAML",
    b"corpus: h\nname: !!int x\n": ":2: is no YAML",
    b"corpus: h\nname: !!float x\n": ":2: is no YAML",
    b"corpus: h\nname: \0\n": ":2: is no YAML",
    b"corpus: h\ncorpus: h\n": ":2: is no YAML",
    b"#" * ((1 << 20) + 1): "got over 1,048,576 bytes",
}


@pytest.mark.slow
def test_a_file_out_of_bounds_is_one_error_with_its_line(tmp_path: Path) -> None:
    """Aliases, circles, nesting, digits, charsets and dates that can't be: manifests and machine files alike."""
    path = tmp_path / "m.yaml"
    began = time.process_time()
    for content, fault in FILES.items():
        path.write_bytes(content)
        for reads in (load, load_machine):
            with pytest.raises(ManifestError) as caught:
                reads(path)
            assert f"{path}{fault}" in str(caught.value).replace(f"{path}: got", f"{path}got")
            assert len(str(caught.value)) < 2000
    assert time.process_time() - began < 60  # the aliases alone took minutes, and 1.4 GB


def test_a_value_that_is_no_number_is_a_fault_of_its_key(tmp_path: Path) -> None:
    """Infinity and long lists are told as what was got, and not at any length."""
    path = tmp_path / "m.yaml"
    for value in (".inf", ".nan", "1e999", f"[{'x, ' * 2_000}]"):
        path.write_text(f"workers: {value}\n", encoding="utf-8")
        with pytest.raises(ManifestError, match="workers") as caught:
            load_machine(path)
        assert len(str(caught.value)) < 3000


def test_aliases_and_long_texts_are_read(tmp_path: Path) -> None:
    """What repeats itself within bounds is YAML as ever."""
    path = tmp_path / "m.yaml"
    path.write_text(f"name: &n {'9' * 100}\nlimits: &l\nworkers: 2\n", encoding="utf-8")
    with pytest.raises(ManifestError, match="name"):  # a number is no name
        load_machine(path)
    path.write_text(f"name: &n '{'9' * 5000}'\nworkers: &w 2\nengine: dask\n", encoding="utf-8")
    assert load_machine(path).workers == 2
