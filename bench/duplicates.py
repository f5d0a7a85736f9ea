"""Measure near-duplicate search on a run's own documents: what it finds against all pairs, and how fast, beside peers.

    kakehi run MANIFEST --until extract --work WORK
    python bench/duplicates.py WORK [--documents 6000] [--peers PYTHON]

The oracle compares every document with every other by sets of Python strings and imports nothing of ours. `--peers` names
a Python that has some of datasketch, rensa, hojichar[dedup] and datatrove (with spacy, sudachipy, sudachidict-core, regex and
xxhash < 4): they get the same texts in bench/duplicates_peers.py. All times are CPU seconds of one core.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from kakehi.filters.duplicates.bands import caught
from kakehi.filters.duplicates.minhash import Scheme, Signing, band_keys
from kakehi.filters.duplicates.shingles import Shingling
from kakehi.filters.duplicates.similarity import shared_shingles
from kakehi.filters.normalisation.normalise import normalise
from kakehi.filters.texts import view
from kakehi.pipeline.engines.kernels import SOURCES, forget_stale

NGRAM: Final = 5
THRESHOLD: Final = 0.8
SEEDS: Final = 100
SHAPES: Final[list[tuple[Scheme, int, int]]] = [
    ("affine32", 14, 8),
    ("legacy", 14, 8),
    ("fss", 14, 8),
    ("affine32", 40, 20),
    ("fss", 40, 20),
]

Pairs = dict[tuple[int, int], float]

MANIFEST: Final = """\
corpus: gold
sources: {gold: {ingest: {files: gold.jsonl, fields: {text: text, id: id}}}}
dedupe: {ngram: 5, bands: 14, rows: 8, similarity: 0.8}
"""


def main() -> None:
    """Print what was found and how fast."""
    forget_stale(SOURCES)
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("work", type=Path, help="work folder of a run")
    parser.add_argument("--documents", type=int, default=6000, help="at most so many texts")
    parser.add_argument("--peers", type=Path, help="a Python that has them")
    arguments = parser.parse_args()
    texts = levelled(list(read_texts(arguments.work))[: arguments.documents])
    planted = plant(texts)
    texts += planted
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} documents, {len(set(texts)):,} different, {megabytes:.1f} MB; ", end="")
    print(f"{len(planted) // 2} planted pairs of 0.3 to 0.5 that share a key")
    truth = all_pairs(texts)
    above = sum(value >= THRESHOLD for value in truth.values())
    print(f"{len(truth):,} pairs of 0.5 or more, {above:,} of {THRESHOLD} or more", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        peers = list(ask_peers(arguments.peers, texts, Path(folder))) if arguments.peers else []
        decisions(texts, len(planted), truth, peers, Path(folder))
    compare(texts, truth)
    speed(texts, megabytes, [said for said in peers if said["kind"] == "sign" and "seconds" in said])


def read_texts(work: Path) -> Iterator[str]:
    """Read the texts of every document of a work folder."""
    for path in sorted(work.glob("extract/*/*/*.parquet")):
        if not path.name.endswith(".rejects.parquet"):
            yield from pq.read_table(path, columns=["text"]).column("text").to_pylist()


def levelled(texts: list[str]) -> list[str]:
    """Level texts as `sign` does before it cuts them, so that every tool and the oracle see the same characters."""
    found: list[str] = normalise(pa.array(texts, pa.large_string()), "key").to_pylist()
    return [text for text in found if text]


def plant(texts: Sequence[str], wanted: int = 100) -> list[str]:
    """Make pairs that have 60 % of their text in common and a band key: by looking for such among many."""
    parts = [text[:600] for text in dict.fromkeys(texts) if len(text) >= 1500]
    parts = list(dict.fromkeys(parts))
    signing, found = Signing(shingling=Shingling()), []
    for step in range(1, len(parts)):
        count = len(parts)
        one = [parts[i][:360] + parts[(i + step) % count][360:] for i in range(count)]
        other = [parts[i][:360] + parts[(i + 2 * step) % count][360:] for i in range(count)]
        keys = band_keys(view(pa.array([*one, *other], pa.large_string())), signing)
        column = view(pa.array([*one, *other], pa.large_string()))
        shared, union = shared_shingles(
            column, np.stack([np.arange(count), np.arange(count) + count], 1), signing.shingling
        )
        alike = shared / union
        met = (keys[:count] == keys[count:]).any(axis=1) & (alike > 0.3) & (alike < 0.5)
        found += [text for i in np.flatnonzero(met) for text in (one[i], other[i])]
        if len(found) >= 2 * wanted:
            break
    return found[: 2 * wanted]


def all_pairs(texts: list[str]) -> Pairs:
    """Give the exact Jaccard similarity of every pair that reaches one half."""
    numbers: dict[str, int] = {}
    sets = [
        [
            numbers.setdefault(gram, len(numbers))
            for gram in {text[i : i + NGRAM] for i in range(max(1, len(text) - NGRAM + 1))}
        ]
        for text in texts
    ]
    sizes = np.array([len(one) for one in sets])
    columns = np.concatenate([np.array(one, np.int64) for one in sets])
    rows = np.repeat(np.arange(len(sets)), sizes)
    matrix = sparse.csr_matrix(
        (np.ones(len(rows), np.int32), (rows, columns)), shape=(len(sets), len(numbers))
    )
    found = {}
    for start in range(0, len(sets), 250):
        both = (matrix[start : start + 250] @ matrix.T).tocoo()
        one, other, shared = both.row + start, both.col, both.data
        similarity = shared / (sizes[one] + sizes[other] - shared)
        for place in np.flatnonzero((similarity >= 0.5) & (one < other)):
            found[int(one[place]), int(other[place])] = float(similarity[place])
    return found


def ask_peers(python: Path, texts: list[str], folder: Path) -> Iterator[dict[str, Any]]:
    """Let the peers have the texts; yield what each says."""
    (folder / "texts.json").write_text(json.dumps(texts), encoding="utf-8")
    script = Path(__file__).with_name("duplicates_peers.py")
    command = [str(python), str(script), str(folder / "texts.json"), str(folder)]
    out = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout
    yield from (json.loads(line) for line in out.splitlines() if line.startswith("{"))


def decisions(
    texts: list[str], planted: int, truth: Pairs, peers: Sequence[dict[str, Any]], folder: Path
) -> None:
    """Say of each tool what it removed, how much of it wrongly, and what it left that is alike."""
    kept, seconds, measured = our_decisions(texts, folder)
    wrong = [pair for pair, value in measured.items() if abs(value - truth.get(pair, 1.0)) > 1e-3]
    print(
        f"\n{len(measured):,} documents name whom they leave for; {len(wrong)} at another similarity than the oracle's"
    )
    print(
        f"{'':46} {'removed':>8} {'wrongly':>8} {'left':>6} {'precision':>9} {'recall':>7} {'planted':>8} {'CPU s':>7}"
    )
    rows = [("kakehi: exact, sign, pair, keep", kept, seconds)]
    for said in peers:
        if said["kind"] == "kept":
            name = f"{said['package']} {said.get('version', '')}, {said['how']}"
            if "kept" not in said:
                print(f"{name}: not run, {said['missing']}")
                continue
            rows.append((name, said["kept"], said["seconds"]))
    for name, stays, spent in rows:
        removed, bad, left = judged(len(texts), set(stays), truth)
        lost = sum(number >= len(texts) - planted for number in removed)
        right = len(removed) - len(bad)
        shares = (right / max(1, len(removed)), right / max(1, right + left))
        print(
            f"{name:46} {len(removed):8,} {len(bad):8,} {left:6,} {shares[0]:9.4f} {shares[1]:7.4f} {lost:8} {spent:7.2f}",
            flush=True,
        )


def judged(count: int, kept: set[int], truth: Pairs) -> tuple[list[int], list[int], int]:
    """Give what was removed, what of it is like no kept document, and how many kept ones are like an earlier one."""
    like: dict[int, list[int]] = {}
    for (one, other), value in truth.items():
        if value >= THRESHOLD:
            like.setdefault(one, []).append(other)
            like.setdefault(other, []).append(one)
    removed = [number for number in range(count) if number not in kept]
    bad = [number for number in removed if not kept & set(like.get(number, []))]
    left = sum(any(other < number and other in kept for other in like.get(number, [])) for number in kept)
    return removed, bad, left


def our_decisions(texts: list[str], folder: Path) -> tuple[list[int], float, Pairs]:
    """Run the command over the texts: what stays, CPU seconds of the four steps, and the similarities it measured."""
    rows = (json.dumps({"id": f"{number:06d}", "text": text}) for number, text in enumerate(texts))
    (folder / "gold.jsonl").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "gold.yaml").write_text(MANIFEST, encoding="utf-8")
    command = [
        sys.executable,
        "-c",
        "from kakehi.pipeline.cli.main import main; main()",
        "run",
        str(folder / "gold.yaml"),
    ]
    subprocess.run([*command, "--work", str(folder / "work")], check=True, capture_output=True)
    seconds = 0.0
    for step in ("exact", "sign", "pair", "keep"):
        for path in folder.glob(f"work/{step}/*/**/*.json"):
            seconds += (
                json.loads(path.read_bytes()).get("cpu_seconds", 0.0) if path.name != "recipe.json" else 0.0
            )
    [documents] = [p for p in folder.glob("work/ingest/*/*/*.parquet") if "rejects" not in p.name]
    [table] = folder.glob("work/keep/*/*/*.parquet")
    offsets = pq.read_table(documents, columns=["offset"]).column("offset").to_numpy()
    number = np.argsort(np.argsort(offsets, kind="stable"))
    found = pq.read_table(table).to_pylist()
    kept = [int(number[row]) for row, said in enumerate(found) if said["verdict"] is None]
    measured: Pairs = {}
    for row, said in enumerate(found):
        if said["verdict"] is not None:
            pair = sorted((int(number[row]), int(number[said["partner_row"]])))
            # A member of a group has the similarity of the group.
            measured[pair[0], pair[1]] = said["similarity"]
    return kept, seconds, measured


def compare(texts: list[str], truth: Pairs) -> None:
    """Hold what each scheme's bands catch against the S-curve, over many seeds."""
    different = {text: number for number, text in reversed(list(enumerate(texts)))}
    first = set(different.values())
    ranges = [(0.7, 0.8), (0.8, 0.9), (0.9, 1.1)]
    chosen = [
        (pair, value)
        for pair, value in truth.items()
        if value >= 0.7 and pair[0] in first and pair[1] in first
    ]
    pairs, values = np.array([pair for pair, _ in chosen]), np.array([value for _, value in chosen])
    rows, place = np.unique(pairs, return_inverse=True)
    place = place.reshape(-1, 2)
    column = view(pa.array([texts[row] for row in rows], pa.large_string()))
    inside = [(low <= values) & (values < high) for low, high in ranges]
    print(f"\nof {[int(one.sum()) for one in inside]} pairs at 0.7, 0.8, 0.9 and more, {SEEDS} seeds:")
    for scheme, bands, width in SHAPES:
        met = []
        for seed in range(1, SEEDS + 1):
            signing = Signing(shingling=Shingling(), scheme=scheme, bands=bands, rows=width, seed=seed)
            keys = band_keys(column, signing)
            hit = (keys[place[:, 0]] == keys[place[:, 1]]).any(axis=1)
            met.append([hit[one].mean() for one in inside])
        mean, error = np.mean(met, axis=0), np.std(met, axis=0, ddof=1) / SEEDS**0.5
        curve = [float(caught(values[one], bands, width).mean()) for one in inside]
        shares = "  ".join(
            f"{one:.3f} ± {off:.3f} ({said:.3f})" for one, off, said in zip(mean, error, curve, strict=True)
        )
        print(f"{scheme} {bands} x {width}: caught (curve) {shares}", flush=True)


def speed(texts: list[str], megabytes: float, peers: Sequence[dict[str, Any]]) -> None:
    """Sign all texts and verify near copies, and say how fast."""
    column = view(pa.array(texts, pa.large_string()))
    print("\nsigning alone:")
    ours = {}
    for scheme, bands, rows in SHAPES:
        signing = Signing(shingling=Shingling(), scheme=scheme, bands=bands, rows=rows)
        seconds = best(lambda signing=signing: band_keys(column, signing))
        ours[f"{bands} × {rows}"] = min(seconds, ours.get(f"{bands} × {rows}", seconds))
        print(f"kakehi {scheme} {bands} × {rows}: {megabytes / seconds:,.1f} MB/s", flush=True)
    for said in peers:
        times = said["seconds"] / ours[said["how"]]
        print(
            f"{said['package']} {said['version']} {said['how']}: {megabytes / said['seconds']:,.1f} MB/s, kakehi {times:.1f} ×"
        )
    whole = "".join(texts)
    base = [whole[i * 2000 : i * 2000 + 2000] for i in range(2000)]
    one = [text[:900] + "これは一文だけ変えた写しです。" + text[915:] for text in base]
    at_threshold = [text[:1780] + other[:220] for text, other in zip(base, base[1:] + base[:1], strict=True)]
    print("\nverifying, texts of 2,000 characters:")
    for name, other in (
        ("one sentence changed", one),
        ("a ninth changed", at_threshold),
        ("unlike", base[1:] + base[:1]),
    ):
        both = view(pa.array([*base, *other], pa.large_string()))
        alike = np.stack([np.arange(2000), np.arange(2000) + 2000], axis=1)
        again = np.tile(alike, (25, 1))
        once = best(lambda both=both, alike=alike: shared_shingles(both, alike, Shingling()))
        many = best(lambda both=both, again=again: shared_shingles(both, again, Shingling()))
        shared, union = shared_shingles(both, alike, Shingling())
        print(
            f"{name} ({float((shared / union).mean()):.2f}): {2000 / once:,.0f} pairs/s with their sets, "
            f"{(len(again) - 2000) / (many - once):,.0f}/s more of the same sets"
        )


def best(work: Callable[[], object], runs: int = 5) -> float:
    """Give the least CPU seconds of some runs."""
    found = []
    for _ in range(runs):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


if __name__ == "__main__":
    main()
