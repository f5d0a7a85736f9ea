"""Settle which of similar documents leave: greedily by rank over all pairs of a corpus, in bounded memory.

A *node* is a group of equal texts; an *edge* joins two that are similar enough. Nodes of which something objects to
every member come after all others, and so change nothing for these: what would have been kept of them is a cluster that
was lost. Edges are cut into slices by the rank of the worse node, and slices are settled one after another: the task of a
slice has all edges of its nodes, and hears which nodes of the slices before have left (time-forward processing: Chiang
and others 1995). So there are as many slices as memory asks for, whatever the shape of the graph; rounds until nothing
changes would be as many as the longest chain. Most corpora have one slice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import xxhash

from kakehi.arrays import AnyN, Int64N, Int64NK, UInt64N
from kakehi.filters.duplicates.keepers import leaving
from kakehi.pipeline.engines.partitions import partitions_for
from kakehi.pipeline.engines.shuffle import Part, Scattered, Shuffles
from kakehi.pipeline.engines.spill import Entries, Spread
from kakehi.pipeline.stages.dedupe.representatives import (
    Home,
    Homes,
    by_rank,
    find,
    is_worse,
    representatives,
    row_of,
)
from kakehi.pipeline.storage.checked import CheckedFile

#: A group that leaves: for which row, of which id, how similar.
LEAVE: Final = np.dtype([("group", "<u8"), ("partner", "<i8"), ("id", "V16"), ("similarity", "<f8")])

_FAN: Final = np.dtype([("row", "<i8"), ("slice", "<u4")])
_GONE: Final = np.dtype([("row", "<i8")])

#: Ranks drawn for each border between slices, which are then equal within a few percent.
_DRAWN: Final = 32


def edge_bytes(rules: int) -> int:
    """Say how many bytes an edge takes while its slice is settled, under so many rules of priority, by tracemalloc."""
    return 300 + 48 * rules


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What greedy selection needs.

    Args:
        homes: where rows are at home.
        pairs: folder of the tables of pairs, one a shard.
        similarity: from which two are the same.
        shuffles: of the step.
        bytes_per_worker: memory of a task.
    """

    homes: Homes
    pairs: Path
    similarity: float
    shuffles: Shuffles
    bytes_per_worker: int


def select_greedily(selection: Selection, home: Mapping[str, Home]) -> tuple[Scattered, int]:
    """Give the groups that leave, to the home of each, and the number of slices.

    Args:
        selection: what it needs.
        home: every home by its name.
    """
    homes = selection.homes
    found = partial(_edges, pairs=selection.pairs, similarity=selection.similarity, homes=homes)
    edges = selection.shuffles.scatter("edges", home, found, list(home), _edge(homes))
    joined = {name: _Joined(home[name], part) for name, part in edges.parts.items()}
    slices = partitions_for(edges.records * edge_bytes(len(homes.priority)), selection.bytes_per_worker)
    borders = _borders(selection, joined, slices, edges.records)
    names = _names(borders)
    ordered = selection.shuffles.scatter(
        "ordered", joined, partial(_ordered, homes=homes, borders=borders), names, _node(homes)
    )
    gone = _pass_on(selection, joined, ordered, borders, names)
    waiting = {name: (ordered.parts[name], [one[name] for one in gone if name in one]) for name in names}
    return selection.shuffles.scatter(
        "leaves", waiting, partial(_leave, homes=homes), list(home), LEAVE
    ), len(names)


class _Joined(NamedTuple):
    """A home and the edges whose second node begins in it."""

    home: Home
    edges: Part


def _edge(homes: Homes) -> np.dtype[Any]:
    """A node and the other one, which is known already."""
    return np.dtype([("group", "<u8"), ("other", "<u8"), ("who", homes.who), ("similarity", "<f8")])


def _node(homes: Homes) -> np.dtype[Any]:
    """A node, its rank, and a better node that it is similar to."""
    rank = ("rank", "<i8", (homes.width,))
    return np.dtype([("group", "<u8"), rank, ("better", homes.who), ("similarity", "<f8")])


def _edges(home: Home, *, pairs: Path, similarity: float, homes: Homes) -> Spread:
    """Read the pairs that are similar enough, and say who speaks for the first group to the second one's home."""
    a, b, alike = _pairs(home, pairs, similarity)
    known = representatives(home, homes)
    edges = np.empty(len(a), _edge(homes))
    edges["group"], edges["other"], edges["similarity"] = b, a, alike
    edges["who"] = known["who"][find(known["group"], a)[0]]
    return Spread(edges, homes.of(edges["group"]))


def _pairs(home: Home, pairs: Path, similarity: float) -> tuple[UInt64N, ...]:
    found: list[tuple[AnyN, ...]] = [
        (np.zeros(0, np.uint64), np.zeros(0, np.uint64), np.zeros(0, np.float64))
    ]
    for shard in home.shards:
        for batch in CheckedFile(shard.output(pairs)).iter_batches():
            shared, union = (batch.column(name).to_numpy() for name in ("shared", "union"))
            alike = shared / np.maximum(union, 1)
            enough = alike >= similarity
            a, b = (batch.column(name).to_numpy()[enough] for name in ("a", "b"))
            found.append((a, b, alike[enough]))
    a, b, alike = (np.concatenate(columns) for columns in zip(*found, strict=True))
    return a, b, alike


def _join(joined: _Joined, homes: Homes) -> Entries:
    """Give every edge as the worse node and the better one."""
    edges = joined.edges.read()
    known = representatives(joined.home, homes)
    who = known["who"][find(known["group"], edges["group"])[0]]
    swap = is_worse(edges["who"]["rank"], who["rank"])
    nodes = np.empty(len(edges), _node(homes))
    nodes["group"] = np.where(swap, edges["other"], edges["group"])
    nodes["rank"] = np.where(swap[:, None], edges["who"]["rank"], who["rank"])
    nodes["better"] = np.where(swap, who, edges["who"])
    nodes["similarity"] = edges["similarity"]
    return nodes


def _ordered(joined: _Joined, *, homes: Homes, borders: Int64NK) -> Spread:
    nodes = _join(joined, homes)
    return Spread(nodes, _slice_of(nodes["rank"], borders))


def _fan(joined: _Joined, *, homes: Homes, borders: Int64NK) -> Spread:
    """Say to the slice of each better node which later slices ask for it."""
    nodes = _join(joined, homes)
    here, later = _slice_of(nodes["better"]["rank"], borders), _slice_of(nodes["rank"], borders)
    fan = np.empty(len(nodes), _FAN)
    fan["row"], fan["slice"] = row_of(nodes["better"]), later
    fan, place = np.unique(fan[here < later], return_index=True)
    return Spread(fan, here[here < later][place])


def _borders(selection: Selection, joined: Mapping[str, _Joined], slices: int, edges: int) -> Int64NK:
    """Draw ranks, and take of them those that cut the edges into slices of about equal size."""
    if slices == 1:
        return np.empty((0, selection.homes.width), np.int64)
    every = max(1, edges // (slices * _DRAWN))
    drawn = selection.shuffles.gather(joined, partial(_draw, homes=selection.homes, every=every))
    ranks = np.concatenate(drawn)
    ranks = ranks[by_rank(ranks)]
    places = np.arange(1, slices) * len(ranks) // slices
    return np.unique(ranks[places[places < len(ranks)]], axis=0)


def _draw(joined: _Joined, *, homes: Homes, every: int) -> Int64NK:
    ranks = _join(joined, homes)["rank"]
    return np.ascontiguousarray(ranks[by_rank(ranks)][::every])


def _names(borders: Int64NK) -> list[str]:
    """Name slices, so that files of a run with other borders are not taken for these."""
    cut = xxhash.xxh3_64_hexdigest(borders.tobytes())
    return [f"slice {number} of {len(borders) + 1} ({cut})" for number in range(len(borders) + 1)]


def _slice_of(ranks: Int64NK, borders: Int64NK) -> Int64N:
    """Count the borders that are not worse than each rank, int64[n]."""
    order = by_rank(np.concatenate([borders, ranks]))
    slices = np.empty(len(order), np.int64)
    slices[order] = np.cumsum(order < len(borders))
    return slices[len(borders) :]


def _pass_on(
    selection: Selection,
    joined: Mapping[str, _Joined],
    ordered: Scattered,
    borders: Int64NK,
    names: list[str],
) -> list[dict[str, Part]]:
    """Settle slice after slice; give, for each but the last, who left of those that later slices ask for."""
    gone: list[dict[str, Part]] = []
    if len(names) == 1:
        return gone
    fan = selection.shuffles.scatter(
        "fan", joined, partial(_fan, homes=selection.homes, borders=borders), names, _FAN
    )
    for number, name in enumerate(names[:-1]):
        source = {name: (ordered.parts[name], [one[name] for one in gone], fan.parts[name])}
        gone.append(selection.shuffles.scatter(f"gone/{number}", source, _say_who_left, names, _GONE).parts)
    return gone


def _say_who_left(slice_: tuple[Part, list[Part], Part]) -> Spread:
    ordered, gone, fan = slice_
    nodes, chosen = _select_in_slice(ordered, gone)
    asked = fan.read()
    asked = asked[np.isin(asked["row"], nodes["rank"][chosen, -1])]
    left = np.empty(len(asked), _GONE)
    left["row"] = asked["row"]
    return Spread(left, asked["slice"].astype(np.int64))


def _leave(slice_: tuple[Part, list[Part]], *, homes: Homes) -> Spread:
    nodes, chosen = _select_in_slice(*slice_)
    leaves = np.empty(len(chosen), LEAVE)
    for name in ("group", "similarity"):
        leaves[name] = nodes[name][chosen]
    leaves["partner"], leaves["id"] = row_of(nodes["better"])[chosen], nodes["better"]["id"][chosen]
    return Spread(leaves, homes.of(leaves["group"]))


def _select_in_slice(ordered: Part, gone: list[Part]) -> tuple[Entries, Int64N]:
    """Give the edges of a slice, and the places of those by which a node leaves."""
    nodes = ordered.read()
    ranks = np.concatenate([nodes["rank"], nodes["better"]["rank"]])
    rows, place, node = np.unique(ranks[:, -1], return_index=True, return_inverse=True)
    number = np.empty(len(rows), np.int64)
    order = by_rank(ranks[place])
    number[order] = np.arange(len(rows))
    left = np.concatenate([np.zeros(0, np.int64), *(part.read()["row"] for part in gone)])
    pair = leaving(
        number[node[: len(nodes)]],
        number[node[len(nodes) :]],
        np.ascontiguousarray(nodes["similarity"]),
        np.isin(rows[order], left),
    )
    return nodes, pair[pair >= 0]
