"""`check PREFIX` and `lookup` on files that anybody may have changed: an answer or a fault, and no more memory for it."""

import copy
import json
import random
import resource
import shutil
from pathlib import Path

import pytest

NAME = "c_text_document"
WRONG = [None, -1, 0, 1 << 40, 10**30, 1.5, "../x", "\0", [], {}, True]


@pytest.fixture
def bounded():
    """Give this process 2 GiB of address space more than it has."""
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (size + (2 << 30), hard))
    yield
    resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


@pytest.fixture
def packed(packed_runs, tmp_path, bounded):
    """Give a function that copies a packed folder and its maps."""

    def copied(layout):
        home = packed_runs[layout]
        [index] = [
            path.parent
            for path in home.parents[1].glob("index/*/recipe.json")
            if home.name in json.loads(path.read_text())["upstream"].values()
        ]
        pack = shutil.copytree(home, tmp_path / "work" / "pack" / home.name)
        return pack / NAME, shutil.copytree(index, tmp_path / "work" / "index" / index.name)

    return copied


def asked(kakehi, prefix, index):
    """Ask everything of a prefix; each answer is one, or an error of ours."""
    cache = index / "cache"
    for arguments in (
        ("check", prefix, "--maps", cache),
        ("lookup", prefix, "--token", 40),
        ("lookup", prefix, "--sample", 3, "--maps", cache),
        ("lookup", prefix, "--document", "ab" * 16),
    ):
        said = kakehi(*arguments)
        assert said.code in {0, 3}, (arguments, said)
        assert "Traceback" not in said.err
        assert said.code == 0 or str(prefix.parents[2]) in said.err or "no document" in said.err
        yield said


def leaves(value, at=()):
    """Yield the place of every value inside another."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield (*at, key)
        yield from leaves(one, (*at, key))


def changed(value, at, wrong):
    """Copy JSON with one value changed, or left out for `...`."""
    whole = copy.deepcopy(value)
    inner = whole
    for key in at[:-1]:
        inner = inner[key]
    if wrong is ...:
        del inner[at[-1]]
    else:
        inner[at[-1]] = wrong
    return whole


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["lanes", "stock pieces"])
def test_a_manifest_with_any_value_wrong_is_answered(kakehi, packed, layout):
    """Every value of `manifest.json`, of a description and of the recipe beside the maps, replaced and left out."""
    rng = random.Random(19)  # noqa: S311 - not for secrets
    prefix, index = packed(layout)
    descriptions = sorted((index / "cache").glob("*-description.txt"))
    faults = 0
    for path in [prefix.with_name("manifest.json"), descriptions[0], index / "recipe.json"]:
        plain = path.read_text()
        value = json.loads(plain)
        used = [at for at in leaves(value) if at[0] not in {"counts", "sources", "libraries"}]
        for at in used:
            for wrong in (..., *rng.sample(WRONG, 3)):
                path.write_text(json.dumps(changed(value, at, wrong)))
                faults += sum(said.code for said in asked(kakehi, prefix, index)) > 0
        for text in ("", "[]", "7", "[" * 200_000, plain[: len(plain) // 2], "9" * 5000):
            path.write_text(text)
            list(asked(kakehi, prefix, index))
        path.write_text(plain)
    assert faults > 50
    assert next(asked(kakehi, prefix, index)).code == 0


@pytest.mark.slow
@pytest.mark.parametrize("layout", ["lanes", "stock pieces"])
def test_files_cut_flipped_and_blown_up_are_answered(kakehi, packed, layout):
    """Indexes, tables, maps, flags: cut anywhere, bytes of noise, eight bytes of ones at any place."""
    rng = random.Random(19)  # noqa: S311 - not for secrets
    prefix, index = packed(layout)
    files = sorted({*prefix.parent.glob(f"{NAME}*"), *prefix.parent.glob("*.documents.parquet")})
    files += [*sorted(index.glob("cache/*"))[:8], index / "flags-core.txt", index / "sequences.json"]
    for path in filter(Path.is_file, files):
        plain = path.read_bytes()
        for number in range(12):
            noise = bytearray(plain)
            at = rng.randrange(min(len(plain), 200) if number % 2 else len(plain))
            if number < 3:
                del noise[at:]
            elif number < 8:
                noise[at] ^= 1 << rng.randrange(8)
            else:
                noise[at : at + 8] = b"\xff" * 8
            path.unlink()  # a link in the original
            path.write_bytes(noise)
            list(asked(kakehi, prefix, index))
        path.unlink()
        path.write_bytes(plain)
    assert next(asked(kakehi, prefix, index)).code == 0
