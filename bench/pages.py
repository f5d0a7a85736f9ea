"""Count the pages of 64 KiB that a rank touches in lanes: planned, counted by arithmetic, and held by the kernel.

    python bench/pages.py                   whole jobs over 195,312,500 rows: planned, and counted entry by entry
    python bench/pages.py --tile-sets 4     the first so many tiles of every lane: counted, and resident pages after the
                                            real reader read them; needs the interop extra and Linux

Rows of 2,048 tokens of 2 bytes, tiles of 256, every fitting pair of 12, 144 and 288 ranks with 96, 288 and 2,016 lanes.
The count asks the arrays what each sample's entry is and follows it through the files as a reader does, but knows none of
the planner's formulas. The .bin is a hole of its full size: a page of a hole is a page.
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from packing import NAME, PAGE, TOKENIZER, S, _opened, _Resident

from kakehi.arrays import Int64N
from kakehi.pipeline.planning.training_cost import Corpus, Job, pages_per_row
from kakehi.tokenizer.packed import maps
from kakehi.tokenizer.packed.indexed import repeated, write_index
from kakehi.tokenizer.packed.lanes import Lanes
from kakehi.tokenizer.packed.maps import Maps

FILES = (".bin", ".idx", "document_index", "sample_index", "shuffle_index")
PAIRS = [(ranks, lanes) for lanes in (96, 288, 2016) for ranks in (12, 144, 288) if lanes % ranks == 0]
TILE_ROWS, ROWS, ROW_BYTES, RANK = 256, 195_312_500, 2 * S, 5
#: Bytes before the first entry: of an .npy file, and of an .idx.
NPY, IDX = 128, 34


def main() -> None:
    """Print a row for each pair: bytes moved for each byte of payload."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--tile-sets", type=int, help="so many tiles of each lane, and by the real reader too"
    )
    sets = parser.parse_args().tile_sets
    print(
        f"| ranks | lanes | {'' if sets else 'planned | '}counted | {'resident | ' if sets else ''}shuffle_index beside |"
    )
    print("|---|---|---|---|---|")
    for ranks, lanes in PAIRS:
        found = whole(ranks, lanes) if sets is None else some(ranks, lanes, sets)
        shuffle = found[0]["shuffle_index"]
        cells = " | ".join(f"{sum(one.values()) - one['shuffle_index']:.4f}" for one in found)
        print(f"| {ranks} | {lanes:,} | {cells} | {shuffle:.4f} |", flush=True)


def whole(ranks: int, lanes: int) -> list[dict[str, float]]:
    """Plan and count a job that reads all whole turns of all lanes."""
    samples = ROWS // lanes * lanes
    corpus = Corpus(
        rows=ROWS, sequence_tokens=S, token_bytes=2, layout="lanes", lanes=lanes, tile_rows=TILE_ROWS
    )
    planned = pages_per_row(corpus, Job(1, ranks, 2016, ranks, ranks), PAGE)
    layout = Lanes(lanes=lanes, tile_rows=TILE_ROWS, samples=samples, rows=ROWS + 1)
    counted = count(asked(layout), ranks, samples)
    return [
        {name: pages * PAGE / ROW_BYTES for name, pages in planned.items()},
        moved(counted, samples // ranks),
    ]


def some(ranks: int, lanes: int, sets: int) -> list[dict[str, float]]:
    """Count the first tiles of a job, and let the real reader touch them."""
    samples = sets * TILE_ROWS * lanes
    length = (sets + 1) * TILE_ROWS * lanes
    wanted = asked(Lanes(lanes=lanes, tile_rows=TILE_ROWS, samples=length, rows=length + 1))
    with tempfile.TemporaryDirectory() as folder:
        resident = read(Path(folder), wanted, ranks, samples)
    return [moved(one, samples // ranks) for one in (count(wanted, ranks, samples), resident)]


def asked(layout: Lanes) -> Maps:
    """Ask for all samples of a layout."""
    return Maps(NAME, layout, S, layout.samples, 1, "train", shuffled=False)


def moved(pages: dict[str, int], rows: int) -> dict[str, float]:
    """Give bytes moved for each byte of payload."""
    return {name: count * PAGE / (rows * ROW_BYTES) for name, count in pages.items()}


def count(wanted: Maps, ranks: int, samples: int) -> dict[str, int]:
    """Count the pages of each file that one rank touches for its part of the first samples."""
    arrays, sequences = maps.arrays(wanted), wanted.layout.sequences
    runs = [(number, 2 * tokens) for number, tokens in wanted.layout.runs(S)]
    lengths = np.concatenate(list(repeated(runs))).astype(np.int64)
    starts = np.cumsum(lengths) - lengths
    seen = {name: np.zeros((wanted.layout.rows + 20) * ROW_BYTES // PAGE + 2, np.bool_) for name in FILES}

    def touch(name: str, first: Int64N, size: int | Int64N) -> None:
        begin, end = first // PAGE, (first + size - 1) // PAGE
        for more in range(int((end - begin).max(initial=0)) + 1):
            seen[name][np.minimum(begin + more, end)] = True

    for mine in np.array_split(np.arange(RANK, samples, ranks), 1 + samples // ranks // 1_000_000):
        touch("shuffle_index", NPY + 4 * mine, 4)
        entry = arrays["shuffle"].values(mine).astype(np.int64)
        touch("sample_index", NPY + 8 * entry, 16)
        (place, token), (last, stop) = (
            arrays["sample"].values(entry + more).astype(np.int64).T for more in (0, 1)
        )
        for at, begin, end in _fragments(place, token, last, stop):
            touch("document_index", NPY + 4 * at, 4)
            sequence = arrays["document"].values(at).astype(np.int64)
            touch(".idx", IDX + 4 * sequence, 4)
            touch(".idx", IDX + 4 * sequences + 8 * sequence, 8)
            stops = np.where(end < 0, lengths[sequence], 2 * end)
            touch(".bin", starts[sequence] + 2 * begin, stops - 2 * begin)
    return {name: int(pages.sum()) for name, pages in seen.items()}


def _fragments(
    place: Int64N, token: Int64N, last: Int64N, stop: Int64N
) -> Iterator[tuple[Int64N, Int64N, Int64N]]:
    """Yield (place in document_index, first token, end) of all first parts, then of what is in the next sequence."""
    alone = place == last
    yield place, token, np.where(alone, stop + 1, -1)
    if (last[~alone] != place[~alone] + 1).any():
        raise ValueError("got a row of several sequences, wanted one in one tile with its label in the next")
    yield last[~alone], np.zeros_like(last[~alone]), stop[~alone] + 1


def read(folder: Path, wanted: Maps, ranks: int, samples: int) -> dict[str, int]:
    """Let Megatron's GPTDataset read the same, and count resident pages."""
    layout = wanted.layout
    with (folder / f"{NAME}.bin").open("wb") as file:
        file.truncate(layout.tokens(S) * 2)
    write_index(folder / NAME, np.dtype("<u2"), lambda: repeated(layout.runs(S)))
    cache = folder / "cache"
    cache.mkdir()
    names = maps.core_names(wanted, TOKENIZER)
    (cache / names["description"]).write_text(maps.description(wanted, TOKENIZER), encoding="utf-8")
    maps.write_arrays(wanted, cache, names)
    data = _opened(folder, cache, layout.samples)
    resident = _Resident(folder, cache, data)
    resident.drop()
    for sample in range(RANK, samples, ranks):
        data[sample]
    return dict(zip(FILES, map(resident._count, resident._maps), strict=True))  # noqa: SLF001 - of this folder


if __name__ == "__main__":
    main()
