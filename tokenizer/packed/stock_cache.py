"""Look for caches that a stock Megatron job would not find: it builds its own in silence, or stops where it must not.

Every function yields faults as `checking` does.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, get_args

from .stock_job import CORES, Core, Request, TokenizerType, cores_of, read_flags, requests, unique_identifiers

FLAGS: Final = "flags-core.txt"

_ASKED: Final = {"index_split", "num_samples", "sequence_length", "random_seed"}

_WAY_OUT: Final = "make it anew with index: {tokenizer: {type: …}}"


def check_stock(
    folder: Path, binary: Path, own: Mapping[str, Any] | None = None, cores: Sequence[Core] = ()
) -> Iterator[str]:
    """Hold the descriptions of a prefix in a cache to what a stock job asks for.

    Args:
        folder: of the maps; `flags-core.txt` beside it says what the job passes.
        binary: path without `.bin`.
        own: identifiers of a tokenizer that the job builds by itself, if `index` was told any.
        cores: versions of megatron-core that the maps are for, as far as that is known.
    """
    prefix = binary.name
    found = list(_descriptions(folder, prefix))
    for path, asked in found:
        if asked["dataset_path"] != prefix:
            said = f"dataset_path: got {asked['dataset_path']!r}, wanted {prefix!r}"
            yield f"{path}: {said}, as the flags spell it: another spelling is another cache"
        if asked["tokenizer"] != own and not cores_of(asked["tokenizer"]):
            given = ", ".join(map(repr, asked["tokenizer"]))
            said = f"tokenizer: got {given}, which no build_tokenizer of megatron-core {CORES[0]} to {CORES[-1]} gives"
            yield f"{path}: {said}: a stock job would not find this cache; {_WAY_OUT}"
    flags = folder.parent / FLAGS
    if found and flags.exists():
        try:
            told = read_flags(flags.read_text(encoding="utf-8"))
            asked_for = {request.prefix: request for request in requests(told)}
        except (KeyError, ValueError, ZeroDivisionError) as fault:
            yield f"{flags}: got flags that can't be read ({fault}), wanted those that index writes"
            return
        if prefix in asked_for:
            yield from _hold_to_flags(found, asked_for[prefix], flags, told, cores)
        else:
            said = f"got prefixes {', '.join(map(repr, asked_for))}, wanted {prefix!r} among them"
            yield f"{flags}: {said}: a job with these flags asks for no map of it"
        yield from _hold_to_places(folder, binary.parent, flags, told)


def find_order(folder: Path, prefix: str) -> tuple[Path, Path] | None:
    """Find the shuffle index and the document index by which a reader trains on a prefix; None: there are none.

    Args:
        folder: of the maps.
        prefix: name of the binary.
    """
    for path in sorted(folder.glob("*_train_indexmap_*_shuffle_idx.npy")):
        if path.name.startswith(f"{prefix}_train_"):
            return path, path.with_name(path.name.replace("_shuffle_idx", "_doc_idx"))
    for path, asked in _descriptions(folder, prefix):
        if asked["index_split"] == "train":
            base = path.name.removesuffix("-description.txt")
            return path.with_name(f"{base}-shuffle_index.npy"), path.with_name(f"{base}-document_index.npy")
    return None


def _descriptions(folder: Path, prefix: str) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Read the descriptions of a prefix, also where its path is spelt otherwise; those that are broken are told elsewhere."""
    for path in sorted(folder.glob("*-GPTDataset-*-description.txt")):
        try:
            asked = json.loads(path.read_bytes())
            named = Path(asked["dataset_path"]).name == prefix and isinstance(asked["tokenizer"], dict)
            if named and asked.keys() >= _ASKED:
                yield path, asked
        except (ValueError, KeyError, TypeError, RecursionError):
            continue


def _hold_to_flags(
    found: list[tuple[Path, dict[str, Any]]],
    wanted: Request,
    flags: Path,
    told: Mapping[str, str],
    cores: Sequence[Core],
) -> Iterator[str]:
    """Compare each description with what the flags ask for, and see that every version finds one of all that they ask."""
    spelt = told.get("--tokenizer-model")
    kind = next((kind for kind in get_args(TokenizerType) if kind == told.get("--tokenizer-type")), None)
    identities = [unique_identifiers(kind, spelt, core) for core in CORES] if kind and spelt else []
    right: list[Mapping[str, Any]] = []
    for path, asked in found:
        pairs = {
            "index_split": (asked["index_split"], wanted.split),
            "num_samples": (asked["num_samples"], wanted.samples),
            "sequence_length": (asked["sequence_length"], wanted.sequence_tokens),
            "random_seed": (asked["random_seed"], wanted.seed),
        }
        wrong = [
            f"{name}: got {got!r}, wanted {want!r}"
            for name, (got, want) in pairs.items()
            if want is not None and got != want
        ]
        if identities and asked["tokenizer"] not in identities and cores_of(asked["tokenizer"]):
            wrong.append(f"tokenizer: got {asked['tokenizer']}, wanted that of {kind} at {spelt!r}")
        yield from (f"{path}: {said}, as a job with {flags.name} asks" for said in wrong)
        named = asked["dataset_path"] == wanted.prefix and (
            not identities or asked["tokenizer"] in identities
        )
        right += [asked["tokenizer"]] if named and not wrong else []
    if not right:
        yield f"{flags}: a job with these flags finds no maps of {wanted.prefix!r} in its cache; {_WAY_OUT}"
    elif kind and spelt:
        missing = [core for core in cores if unique_identifiers(kind, spelt, core) not in right]
        if missing:
            said = (
                f"a job of megatron-core {', '.join(missing)} finds no maps of {wanted.prefix!r} in its cache"
            )
            yield f"{flags}: {said}; {_WAY_OUT}"


def _hold_to_places(folder: Path, packed: Path, flags: Path, told: Mapping[str, str]) -> Iterator[str]:
    """Follow the paths of the flags from the folder of the binaries, where the job stands."""
    cache = told.get("--data-cache-path", "")
    if "\0" in cache + told.get("--tokenizer-model", ""):
        yield f"{flags}: got a NUL in a path, wanted none"
        return
    if (packed / cache).resolve() != folder.resolve():
        yield f"{flags}: --data-cache-path: got {cache!r}, which is another folder than {folder} for a job in {packed}"
    model = told.get("--tokenizer-model")
    if model is not None and not (packed / model).exists():
        yield f"{flags}: --tokenizer-model: got {model!r}, which is not there for a job in {packed}; its path names the cache"
