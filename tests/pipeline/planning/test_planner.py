"""planner: what has to run and why, from made-up receipts; nothing is on disk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from kakehi.pipeline.manifest.model import Manifest, Selection, SourceSpec, StepSpec
from kakehi.pipeline.planning import planner
from kakehi.pipeline.planning.planner import (
    NOT_YET,
    Step,
    fetch_steps,
    fetching_steps,
    known_steps,
    plan,
    waiting,
)
from kakehi.pipeline.stages.stage import Stage
from kakehi.pipeline.storage.addresses import Recipe, address
from kakehi.pipeline.storage.shards import Shard


def stage(name: str, shape: Any, writes: Any, *reads: Any, **more: Any) -> Stage:
    """Make up a stage that can't be run."""

    def run() -> None:
        raise AssertionError(f"{name} ran")

    run.__name__ = name
    return Stage(run=run, shape=shape, writes=writes, reads=reads, **{"version": 1, **more})


BRING = stage("bring", "fetch", "warcs", aside=("server",))
READ = stage("read", "source", "documents", libraries=("numpy",))
MEASURE = stage("measure", "rows", "signals", "documents")
SCREEN = stage("screen", "rows", "verdict", "documents", "signals")
EXACT = stage("exact", "corpus", "groups", "documents")
KEEP = stage("keep", "corpus", "verdict", "documents", "groups", "verdict")
TELL = stage("tell", "corpus", None, "documents", summary=True)

SHARDS = {
    "a": [Shard(source="a", name="a0", files=()), Shard(source="a", name="a1", files=())],
    "b": [Shard(source="b", name="b0", files=())],
}
ONE_MORE = Shard(source="a", name="a2", files=())


def spec(stage: Stage, name: str = "", key: str = "", **more: Any) -> StepSpec:
    name = name or stage.name
    return StepSpec(name=name, key=key or name, stage=stage, **{"parameters": {"level": 1}, **more})


STEPS = (
    spec(MEASURE),
    spec(SCREEN),
    spec(EXACT, key="dedupe"),
    spec(KEEP, key="dedupe"),
    spec(TELL),
)


def manifest(*steps: StepSpec, read: Stage = READ, **sources: Any) -> Manifest:
    """Make up a manifest of sources a and b; `sources` are parameters of one of them."""
    specs = tuple(
        SourceSpec(
            name=name, stage=read, selection=Selection(files=[name]), parameters=sources.get(name, {"by": 1})
        )
        for name in ("a", "b")
    )
    return Manifest(path=Path("m.yaml"), corpus="c", sources=specs, steps=steps or STEPS)


class Receipts:
    """Receipts as they would be found: what is whole, what is broken and how, and recipes, the newest first."""

    def __init__(self) -> None:
        self.whole: set[tuple[str, str, str | None, str | None]] = set()
        self.broken: dict[tuple[str, str | None], str] = {}
        self.old: list[tuple[Step, Recipe]] = []

    def missing(self, step: str, address: str, source: str | None, shard: str | None) -> str | None:
        if (step, shard) in self.broken:
            return self.broken[step, shard]
        return None if (step, address, source, shard) in self.whole else NOT_YET

    def recipes(self, step: str, source: str | None) -> Sequence[Recipe]:
        return [recipe for old, recipe in self.old if (old.name, old.source) == (step, source)]

    def ran(self, steps: Sequence[Step]) -> Receipts:
        """Note that a plan was run to its end."""
        for step in steps:
            shards = [None] if step.stage.shape == "corpus" else [shard.name for shard in step.shards]
            self.whole |= {(step.name, step.address, step.source, shard) for shard in shards}
            self.old.insert(0, (step, step.recipe))
        return self


def digest(path: Any) -> str:
    """Stand for the content of a file: its name's last letter."""
    return str(path)[-1]


def planned(
    receipts: Receipts, made: Manifest | None = None, shards: Any = SHARDS, **more: Any
) -> list[Step]:
    return plan(made or manifest(), shards, receipts, file_digest=digest, **more)


def told(steps: Sequence[Step]) -> dict[str, tuple[list[str], str]]:
    """Say of each step that runs which shards and why."""
    return {
        f"{step.name} {step.source}" if step.source else step.name: (
            [shard.name for shard in step.todo],
            step.reason,
        )
        for step in steps
        if step.action == "run"
    }


EVERY = ["a0", "a1", "b0"]


def changed(of: Stage, **parameters: Any) -> Manifest:
    """Change parameters of one step."""
    return manifest(*(replace(one, parameters=parameters) if one.stage is of else one for one in STEPS))


def renewed(of: Stage, **fields: Any) -> Manifest:
    """Change what one stage says of itself."""
    return manifest(*(replace(one, stage=replace(of, **fields)) if one.stage is of else one for one in STEPS))


def test_the_first_run_runs_all() -> None:
    """Steps in order, the sources' first, row-wise ones for each source, with what they read."""
    steps = planned(Receipts())
    both = {"read", "measure", "screen"}
    assert [(step.name, step.source) for step in steps] == [
        *((name, source) for name in ("read", "measure", "screen") for source in ("a", "b")),
        ("exact", None),
        ("keep", None),
        ("tell", None),
    ]
    assert told(steps) == {
        f"{step.name} {step.source}" if step.name in both else step.name: (
            [shard.name for shard in step.shards],
            "first run",
        )
        for step in steps
    }
    assert len({step.address for step in steps}) == len(steps)


def test_what_is_whole_is_left_alone() -> None:
    """Nothing to do, no reason, the same addresses."""
    before = planned(Receipts())
    after = planned(Receipts().ran(before))
    assert {(step.action, step.todo, step.reason) for step in after} == {("skip", (), "")}
    assert [step.address for step in after] == [step.address for step in before]


#: What changed; and for each step that runs, which shards, and why.
CHANGES: dict[str, tuple[Callable[[], tuple[Manifest, Any]], dict[str, tuple[list[str], str]]]] = {
    "a parameter of a row-wise step": (
        lambda: (changed(MEASURE, level=2), SHARDS),
        {
            "measure a": (["a0", "a1"], "parameter changed: level 1 → 2"),
            "measure b": (["b0"], "parameter changed: level 1 → 2"),
            "screen a": (["a0", "a1"], "upstream changed: measure"),
            "screen b": (["b0"], "upstream changed: measure"),
            "keep": (EVERY, "upstream changed: screen a, screen b"),
            "tell": (EVERY, "upstream changed: keep, measure a, measure b, screen a, screen b"),
        },
    ),
    "a parameter of a corpus step": (
        lambda: (changed(KEEP, level=1, share=0.5), SHARDS),
        {
            "keep": (EVERY, "parameter changed: share unset → 0.5"),
            "tell": (EVERY, "upstream changed: keep"),
        },
    ),
    "a parameter of one source": (
        lambda: (manifest(b={"by": 2}), SHARDS),
        {
            "read b": (["b0"], "parameter changed: by 1 → 2"),
            "measure b": (["b0"], "upstream changed: read"),
            "screen b": (["b0"], "upstream changed: measure, read"),
            "exact": (EVERY, "upstream changed: read b"),
            "keep": (EVERY, "upstream changed: exact, read b, screen b"),
            "tell": (EVERY, "upstream changed: exact, keep, measure b, read b, screen b"),
        },
    ),
    "the version of a stage": (
        lambda: (renewed(EXACT, version=2), SHARDS),
        {
            "exact": (EVERY, "stage version changed: 1 → 2"),
            "keep": (EVERY, "upstream changed: exact"),
            "tell": (EVERY, "upstream changed: exact, keep"),
        },
    ),
    "the libraries of a stage": (
        lambda: (renewed(TELL, libraries=("numpy",)), SHARDS),
        {"tell": (EVERY, "library changed: numpy unset → 9.9")},
    ),
    "one more shard": (
        lambda: (manifest(), {**SHARDS, "a": [*SHARDS["a"], ONE_MORE]}),
        {
            **dict.fromkeys(["read a", "measure a", "screen a"], (["a2"], "1 of 3 shards new")),
            "exact": (["a0", "a1", "a2", "b0"], "shards changed: 1 new, 0 gone"),
            "keep": (["a0", "a1", "a2", "b0"], "upstream changed: exact; shards changed: 1 new, 0 gone"),
            "tell": (
                ["a0", "a1", "a2", "b0"],
                "upstream changed: exact, keep; shards changed: 1 new, 0 gone",
            ),
        },
    ),
    "a shard that is gone": (
        lambda: (manifest(), {**SHARDS, "a": SHARDS["a"][:1]}),
        {
            "exact": (["a0", "b0"], "shards changed: 0 new, 1 gone"),
            "keep": (["a0", "b0"], "upstream changed: exact; shards changed: 0 new, 1 gone"),
            "tell": (["a0", "b0"], "upstream changed: exact, keep; shards changed: 0 new, 1 gone"),
        },
    ),
    "a step left out": (
        lambda: (manifest(*STEPS[1:]), SHARDS),
        {
            "screen a": (["a0", "a1"], "upstream changed: measure"),
            "screen b": (["b0"], "upstream changed: measure"),
            "keep": (EVERY, "upstream changed: screen a, screen b"),
            "tell": (EVERY, "upstream changed: keep, measure a, measure b, screen a, screen b"),
        },
    ),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_runs_what_follows_from_it(what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing else; each step says what is another than last time."""
    monkeypatch.setattr(planner, "versions", lambda names: dict.fromkeys(names, "9.9"))
    receipts = Receipts().ran(planned(Receipts()))
    change, wanted = CHANGES[what]
    assert told(planned(receipts, *change())) == wanted


def test_a_change_taken_back_runs_nothing() -> None:
    """Both are there."""
    receipts = Receipts().ran(planned(Receipts()))
    receipts.ran(planned(receipts, changed(MEASURE, level=2)))
    assert told(planned(receipts)) == {}
    assert told(planned(receipts, changed(MEASURE, level=3)))["measure b"] == (
        ["b0"],
        "parameter changed: level 2 → 3",  # than the newest
    )


GONE = "a1.parquet is gone, receipt says 9"
SHORT = "a0.parquet has 3 bytes, receipt says 5"

#: Outputs that are not as their receipts say; and what runs.
BROKEN: dict[str, tuple[dict[tuple[str, str | None], str], dict[str, tuple[list[str], str]]]] = {
    "a source's": ({("read", "a0"): SHORT}, {"read a": (["a0"], SHORT)}),
    "a row-wise step's": ({("screen", "b0"): GONE}, {"screen b": (["b0"], GONE)}),
    "two of one step": (
        {("measure", "a0"): SHORT, ("measure", "a1"): GONE},
        {"measure a": (["a0", "a1"], f"{SHORT} (and 1 more)")},
    ),
    "a corpus step's": ({("exact", None): GONE}, {"exact": (EVERY, GONE)}),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_made_again(what: str) -> None:
    """That shard alone, or that step; what read it has the same address, and stays."""
    receipts = Receipts().ran(planned(Receipts()))
    receipts.broken, wanted = BROKEN[what]
    assert told(planned(receipts)) == wanted


def test_a_broken_output_is_told_before_a_new_shard() -> None:
    """Both are made; what was lost is the reason."""
    receipts = Receipts().ran(planned(Receipts()))
    receipts.broken = {("read", "a1"): GONE}
    steps = planned(receipts, shards={**SHARDS, "a": [*SHARDS["a"], ONE_MORE]})
    assert told(steps)["read a"] == (["a1", "a2"], GONE)


def test_a_run_that_was_stopped_goes_on() -> None:
    """What is left of a step is counted; what was not begun is there for the first time."""
    steps = planned(Receipts())
    receipts = Receipts().ran(steps[:1])
    receipts.whole = {one for one in receipts.whole if one[3] == "a0"}
    found = told(planned(receipts))
    assert found["read a"] == (["a1"], "1 of 2 shards new")
    assert found["read b"] == (["b0"], "first run")


def test_a_corpus_step_that_was_stopped_says_what_it_was_begun_for() -> None:
    """Its recipe is there already; the one before it is what it is compared with."""
    receipts = Receipts().ran(planned(Receipts()))
    begun = planned(receipts, changed(EXACT, level=2))
    receipts.ran([step for step in begun if step.name == "exact"])
    receipts.whole = {one for one in receipts.whole if one[1] != begun[-3].address}
    assert told(planned(receipts, changed(EXACT, level=2)))["exact"] == (
        EVERY,
        "parameter changed: level 1 → 2",
    )


def test_a_corpus_step_without_shards_runs_once() -> None:
    """It has a reason, though no shard to do."""
    nothing: dict[str, list[Shard]] = {"a": [], "b": []}
    steps = planned(Receipts(), shards=nothing)
    assert told(steps) == dict.fromkeys(["exact", "keep", "tell"], ([], "first run"))
    assert told(planned(Receipts().ran(steps), shards=nothing)) == {}


@pytest.mark.parametrize(
    ("until", "wanted"),
    [
        (None, ["read", "measure", "screen", "exact", "keep", "tell"]),
        ("measure", ["read", "measure"]),
        ("exact", ["read", "measure", "screen", "exact"]),
        ("dedupe", ["read", "measure", "screen", "exact", "keep"]),
        ("read", ["read"]),
        ("bring", ["read"]),
    ],
)
def test_until(until: str | None, wanted: list[str]) -> None:
    """By the name of a step, or by its key up to the last of its steps; of a source's, the sources alone."""
    steps = planned(Receipts(), until=until)
    assert list(dict.fromkeys(step.name for step in steps)) == wanted
    whole = {(step.name, step.source): step.address for step in planned(Receipts())}
    assert all(whole[step.name, step.source] == step.address for step in steps)


def upstream(steps: Sequence[Step], name: str, source: str | None) -> dict[str, list[tuple[str, str | None]]]:
    [step] = [step for step in steps if (step.name, step.source) == (name, source)]
    return {
        table: [(origin.name, origin.source) for origin in origins]
        for table, origins in step.upstream.items()
    }


def test_a_row_wise_step_reads_its_own_source() -> None:
    """A corpus step reads all of them, in their order; the verdicts of corpus steps are every source's."""
    late = stage("late", "rows", "tokens", "documents", "verdict")
    steps = planned(Receipts(), manifest(*STEPS[:4], spec(late)))
    assert upstream(steps, "screen", "b") == {"documents": [("read", "b")], "signals": [("measure", "b")]}
    assert upstream(steps, "keep", None) == {
        "documents": [("read", "a"), ("read", "b")],
        "groups": [("exact", None)],
        "verdict": [("screen", "a"), ("screen", "b")],
    }
    assert upstream(steps, "late", "a")["verdict"] == [("screen", "a"), ("keep", None)]


@pytest.mark.parametrize(
    ("origin", "wanted"),
    [((), ["one", "two"]), (("two",), ["two"]), (("measure",), ["one", "two"]), (("none",), ["one", "two"])],
)
def test_two_writers_of_a_table(origin: tuple[str, ...], wanted: list[str]) -> None:
    """A step reads both, unless `from` names one; an earlier reader sees only what is before it."""
    one, two = (spec(MEASURE, name, "measure") for name in ("one", "two"))
    early = spec(SCREEN, "early")
    steps = planned(Receipts(), manifest(one, early, two, spec(SCREEN, origin=origin)))
    assert upstream(steps, "early", "a")["signals"] == [("one", "a")]
    assert upstream(steps, "screen", "a")["signals"] == [(name, "a") for name in wanted]


def test_every_verdict_counts_whatever_from_names() -> None:
    """A document that one step objected to is not kept by another's leave."""
    first, second = spec(SCREEN, "first"), spec(SCREEN, "second")
    steps = planned(Receipts(), manifest(first, second, spec(EXACT), spec(KEEP, origin=("second",))))
    assert [name for name, _ in upstream(steps, "keep", None)["verdict"]] == [
        "first",
        "first",
        "second",
        "second",
    ]


def test_an_optional_table_is_read_where_somebody_writes_it() -> None:
    """And decides the address then."""
    picky = stage("picky", "corpus", "groups", "documents", optional=("signals",))
    alone = planned(Receipts(), manifest(spec(picky)))
    beside = planned(Receipts(), manifest(spec(MEASURE), spec(picky)))
    assert upstream(alone, "picky", None)["signals"] == []
    assert upstream(beside, "picky", None)["signals"] == [("measure", "a"), ("measure", "b")]
    assert alone[-1].address != beside[-1].address


def test_parameters_by_source_concern_their_own() -> None:
    """A changed threshold for one source screens that source again."""

    def screened(level: int) -> Manifest:
        parameters = {"a": {"level": 1}, "b": {"level": level}}
        return manifest(spec(MEASURE), spec(SCREEN, parameters=parameters, by_source=True))

    receipts = Receipts().ran(planned(Receipts(), screened(1)))
    assert told(planned(receipts, screened(2))) == {"screen b": (["b0"], "parameter changed: level 1 → 2")}


def test_a_parameter_that_came_later_moves_no_address() -> None:
    """At its default, which does what was done before; any other value is told as a change."""

    def exact(*, level: int = 1, later: str = "as before") -> None:
        raise AssertionError(f"ran with {level} and {later}")

    before = Stage(run=exact, shape="corpus", writes="groups", reads=("documents",), version=1)
    after = replace(before, added=("later",))

    def step(stage: Stage, **parameters: Any) -> Step:
        return planned(receipts, manifest(spec(stage, parameters={"level": 1, **parameters})))[-1]

    receipts = Receipts()
    old = step(before)
    assert step(after, later="as before").address == old.address
    assert step(before, later="as before").address != old.address
    receipts.ran([old])
    new = step(after, later="otherwise")
    assert new.address != old.address
    assert "later unset → otherwise" in new.reason


def test_a_file_counts_by_its_content() -> None:
    """Moved, it is the same; with other content, another, at any depth of the parameters."""

    def with_file(path: str) -> Manifest:
        return changed(MEASURE, lists=[{"words": Path(path)}])

    receipts = Receipts().ran(planned(Receipts(), with_file("here/x")))
    assert told(planned(receipts, with_file("there/x"))) == {}
    assert told(planned(receipts, with_file("here/y")))["measure b"] == (
        ["b0"],
        "parameter changed: lists[0].words.sha256 x → y",
    )


PIECES = {"a": [Shard(source="a", name="all-1", files=()), Shard(source="a", name="all-2", files=())]}


def fetching(**parameters: Any) -> Manifest:
    """Let source a be fetched first."""
    made = manifest()
    fetch = spec(BRING, parameters={"select": "x", "server": "s", **parameters})
    return replace(made, sources=(replace(made.sources[0], fetch=fetch), made.sources[1]))


def fetched(receipts: Receipts, made: Manifest) -> list[Step]:
    return fetch_steps(made, PIECES, receipts, file_digest=digest)


def test_all_waits_for_a_source_that_is_not_fetched() -> None:
    """The fetching steps are the whole plan, and the sources that are waited for are named."""
    steps = fetched(Receipts(), fetching())
    assert told(steps) == {"bring a": (["all-1", "all-2"], "first run")}
    assert waiting(steps) == ["a"]
    receipts = Receipts().ran(steps)
    receipts.broken = {("bring", "all-2"): GONE}
    assert told(fetched(receipts, fetching())) == {"bring a": (["all-2"], GONE)}
    assert waiting(fetched(receipts, fetching())) == ["a"]


def test_nothing_waits_for_what_is_fetched() -> None:
    """The plan of all else begins with it, and nothing reads its address: shards name the files that came."""
    receipts = Receipts()
    steps = fetched(receipts, fetching())
    receipts.ran(steps)
    done = fetched(receipts, fetching())
    assert waiting(done) == []
    whole = planned(receipts, fetching(), fetched=done)
    assert whole[0] == done[0]
    assert waiting(whole) == []
    unfetched = planned(receipts)
    assert [step.address for step in whole[1:-1]] == [step.address for step in unfetched[:-1]]
    assert "bring a" in whole[-1].recipe["upstream"]  # the one that sums up tells of it too


def test_how_something_is_fetched_is_in_no_address() -> None:
    """Another server brings the same; another selection does not."""
    receipts = Receipts().ran(fetched(Receipts(), fetching()))
    assert told(fetched(receipts, fetching(server="t"))) == {}
    assert told(fetched(receipts, fetching(select="y"))) == {
        "bring a": (["all-1", "all-2"], "parameter changed: select x → y")
    }


def test_names_that_until_may_take() -> None:
    """Fetching steps, readers of sources, keys and names, each once."""
    assert fetching_steps(fetching()) == ["bring"]
    assert known_steps(fetching()) == [
        "bring",
        "read",
        "measure",
        "screen",
        "dedupe",
        "exact",
        "keep",
        "tell",
    ]
    assert known_steps(manifest()) == ["read", "measure", "screen", "dedupe", "exact", "keep", "tell"]


def test_addresses_hang_on_names_of_shards_and_on_no_receipt() -> None:
    """The same manifest has the same addresses whatever is there already."""
    before = planned(Receipts())
    receipts = Receipts().ran(before)
    receipts.broken = {("read", "a0"): SHORT}
    assert [step.address for step in planned(receipts)] == [step.address for step in before]
    assert all(step.address == address(step.recipe) for step in before)
    other = planned(Receipts(), shards={**SHARDS, "b": [Shard(source="b", name="b9", files=())]})
    same = {step.name for step, old in zip(other, before, strict=True) if step.address == old.address}
    assert same == {"read", "measure", "screen"}
