"""Measure near-duplicate search on a run's own documents: what it finds against all pairs, and how fast, beside peers.

    kakehi run MANIFEST --until keep --work WORK
    python bench/duplicates.py WORK [--documents 6000] [--peers]

The oracle compares every document with every other by sets of Python strings and imports nothing of ours. Peers
(datasketch, and rensa where it is installed) get the same texts and the same character 5-grams.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from scipy import sparse

from kakehi.filters.duplicates.bands import caught
from kakehi.filters.duplicates.keepers import candidate_pairs
from kakehi.filters.duplicates.minhash import Scheme, Signing, band_keys
from kakehi.filters.duplicates.shingles import Shingling
from kakehi.filters.duplicates.similarity import shared_shingles
from kakehi.filters.texts import view
from kakehi.pipeline.kernels import KERNELS, compile_kernels

Int64N2 = np.ndarray
NGRAM = 5
THRESHOLD = 0.8
SEEDS = 12


def main() -> None:
    """Print what was found and how fast."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("work", type=Path, help="work folder of a run")
    parser.add_argument("--documents", type=int, default=6000, help="at most so many texts, each once")
    parser.add_argument("--peers", action="store_true", help="datasketch and rensa too")
    arguments = parser.parse_args()
    compile_kernels(KERNELS)
    texts = list(dict.fromkeys(read_texts(arguments.work)))[: arguments.documents]
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    print(f"{len(texts):,} different documents, {megabytes:.1f} MB")
    truth = all_pairs(texts)
    above = {pair: value for pair, value in truth.items() if value >= THRESHOLD}
    print(f"{len(truth):,} pairs of 0.5 or more, {len(above):,} of {THRESHOLD} or more")
    compare(texts, truth)
    speed(texts, megabytes)
    if arguments.peers:
        peers(texts, megabytes, above)


def read_texts(work: Path) -> Iterator[str]:
    """Read the texts of every document of a work folder."""
    for path in sorted(work.glob("extract/*/*/*.parquet")):
        if not path.name.endswith(".rejects.parquet"):
            yield from pq.read_table(path, columns=["text"]).column("text").to_pylist()


def all_pairs(texts: list[str]) -> dict[tuple[int, int], float]:
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


def compare(texts: list[str], truth: dict[tuple[int, int], float]) -> None:
    """Find candidates and measure them, by each scheme and some seeds; hold both against all pairs."""
    shapes: list[tuple[Scheme, int, int]] = [
        ("affine32", 14, 8),
        ("legacy", 14, 8),
        ("fss", 14, 8),
        ("fss", 40, 20),
    ]
    column = view(pa.array(texts, pa.large_string()))
    ranges = [
        {pair: value for pair, value in truth.items() if low <= value < high}
        for low, high in ((0.7, 0.8), (0.8, 0.9), (0.9, 1.1))
    ]
    print(f"\nof {[len(values) for values in ranges]} pairs at 0.7, 0.8, 0.9 and more, {SEEDS} seeds:")
    for scheme, bands, rows in shapes:
        met, wrong, false, count = [], 0, 0, 0
        for seed in range(1, SEEDS + 1):
            signing = Signing(shingling=Shingling(), scheme=scheme, bands=bands, rows=rows, seed=seed)
            pairs = candidates(band_keys(column, signing))
            shared, union = shared_shingles(column, pairs, Shingling())
            measured = shared / np.maximum(union, 1)
            found = dict(zip(map(tuple, pairs.tolist()), measured.tolist(), strict=True))
            met.append([sum(pair in found for pair in values) / max(1, len(values)) for values in ranges])
            # A 32-bit hash of two shingles may be one: the similarity is then off by one in some thousand.
            wrong += sum(
                abs(value - truth.get(pair, 0)) > 1e-3 for pair, value in found.items() if value >= 0.5
            )
            false, count = false + int((measured < THRESHOLD).sum()), count + len(pairs)
        mean, error = np.mean(met, axis=0), np.std(met, axis=0) / SEEDS**0.5
        curve = [float(caught(np.array(list(values.values())), bands, rows).mean()) for values in ranges]
        shares = "  ".join(
            f"{one:.3f} ± {off:.3f} ({said:.3f})" for one, off, said in zip(mean, error, curve, strict=True)
        )
        print(
            f"{scheme} {bands} x {rows}: caught (curve) {shares}; {false / count:.2f} of candidates false, {wrong} wrong"
        )


def candidates(keys: np.ndarray) -> Int64N2:
    """Pair all that share a key in any band, as `pair` does, buckets uncut."""
    rows = np.arange(len(keys))
    met = [
        candidate_pairs(np.ascontiguousarray(keys[:, b]), rows, max_bucket=1 << 30).pairs
        for b in range(keys.shape[1])
    ]
    return np.unique(np.concatenate(met)[:, :2], axis=0)


def speed(texts: list[str], megabytes: float) -> None:
    """Sign all texts and verify near copies, and say how fast."""
    column = view(pa.array(texts, pa.large_string()))
    print()
    shapes: list[tuple[Scheme, int, int]] = [
        ("affine32", 14, 8),
        ("legacy", 14, 8),
        ("fss", 14, 8),
        ("affine32", 40, 20),
        ("fss", 40, 20),
    ]
    for scheme, bands, rows in shapes:
        signing = Signing(shingling=Shingling(), scheme=scheme, bands=bands, rows=rows)
        seconds = best(lambda signing=signing: band_keys(column, signing))
        print(
            f"sign {scheme} {bands} x {rows}: {megabytes / seconds:,.0f} MB/s, {len(texts) / seconds:,.0f} documents/s"
        )
    whole = "".join(texts)
    base = [whole[i * 2000 : i * 2000 + 2000] for i in range(2000)]
    near = [text[:900] + "これは一文だけ変えた写しです。" + text[915:] for text in base]
    both = view(pa.array([*base, *near], pa.large_string()))
    alike = np.stack([np.arange(2000), np.arange(2000) + 2000], axis=1)
    again = np.tile(alike, (25, 1))
    once = best(lambda: shared_shingles(both, alike, Shingling()))
    many = best(lambda: shared_shingles(both, again, Shingling()))
    print(
        f"verify near pairs of 2,000 characters: {2000 / once:,.0f}/s with their sets, {(len(again) - 2000) / (many - once):,.0f}/s more of the same sets"
    )


def peers(texts: list[str], megabytes: float, above: dict[tuple[int, int], float]) -> None:
    """Sign and query with datasketch and rensa: time, candidates, and how many of the true pairs they have."""
    import datasketch  # noqa: PLC0415 - peers are looked for where they are asked for

    def grams(text: str) -> list[str]:
        return list({text[i : i + NGRAM] for i in range(max(1, len(text) - NGRAM + 1))})

    def by_datasketch(scheme: str) -> set[tuple[int, int]]:
        signed = []
        for text in texts:
            one = datasketch.MinHash(num_perm=112, seed=1, scheme=scheme)
            one.update_batch([gram.encode() for gram in grams(text)])
            signed.append(one)
        index = datasketch.MinHashLSH(params=(14, 8), num_perm=112)
        found = set()
        for number, one in enumerate(signed):
            found |= {(other, number) for other in index.query(one)}
            index.insert(number, one)
        return found

    rows: list[tuple[str, Callable[[], set[tuple[int, int]]]]] = [
        ("datasketch affine32", lambda: by_datasketch("affine32")),
        ("datasketch legacy", lambda: by_datasketch("legacy")),
    ]
    try:
        import rensa  # noqa: PLC0415 - as above
    except ImportError:
        print("rensa is not installed")
    else:

        def by_rensa() -> set[tuple[int, int]]:
            index = rensa.RMinHashLSH(threshold=THRESHOLD, num_perm=112, num_bands=14)
            found = set()
            for number, text in enumerate(texts):
                one = rensa.RMinHash(num_perm=112, seed=1)
                one.update(grams(text))
                found |= {(other, number) for other in index.query(one)}
                index.insert(number, one)
            return found

        rows.append(("rensa R", by_rensa))

    def ours() -> set[tuple[int, int]]:
        column = view(pa.array(texts, pa.large_string()))
        return set(map(tuple, candidates(band_keys(column, Signing(shingling=Shingling()))).tolist()))

    def ours_verified() -> set[tuple[int, int]]:
        column = view(pa.array(texts, pa.large_string()))
        pairs = candidates(band_keys(column, Signing(shingling=Shingling())))
        shared, union = shared_shingles(column, pairs, Shingling())
        return set(map(tuple, pairs[shared >= THRESHOLD * union].tolist()))

    rows += [("kakehi, candidates", ours), ("kakehi, verified", ours_verified)]
    print("\n14 x 8            seconds   MB/s    pairs  false  missed")
    for name, find in rows:
        start = time.process_time()
        found = find()
        seconds = time.process_time() - start
        print(
            f"{name:20} {seconds:6.2f} {megabytes / seconds:6.1f} {len(found):8,} {len(found - above.keys()):6,} {len(above.keys() - found):7,}"
        )


def best(work: Callable[[], object], runs: int = 3) -> float:
    """Give the least CPU seconds of some runs."""
    found = []
    for _ in range(runs):
        start = time.process_time()
        work()
        found.append(time.process_time() - start)
    return min(found)


if __name__ == "__main__":
    main()
