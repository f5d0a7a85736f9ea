"""Rules are read by name, with changes, and in place; what can't be is told with its line."""

from pathlib import Path

import pytest

from kakehi.pipeline.errors import ManifestError
from kakehi.pipeline.manifest.compile import load
from kakehi.pipeline.manifest.rule_sets import read_rules, shipped
from kakehi.pipeline.manifest.yaml_tree import YamlFile


def read(*items, beside=Path("m.yaml")):
    """Read rules; give (signal, bounds) of each, and the faults."""
    reading = YamlFile(path=beside, tree={})
    rules = read_rules(reading, ("screen", "all"), list(items))
    names = ("min", "max", "over", "under", "one_of", "not_in")
    bounds = [{name: rule[name] for name in names if rule[name] is not None} for rule in rules]
    return [(rule["signal"], b) for rule, b in zip(rules, bounds, strict=True)], [
        m for _, m in reading.faults
    ]


@pytest.mark.parametrize("name", shipped())
def test_shipped_sets_have_no_fault(make, tmp_path, monkeypatch, name):
    """Each is read by its name under `screen`, and alone under `measure` gives all its rules need."""
    make.texts(tmp_path / "a.jsonl", 1)
    make.file(tmp_path / "site" / "hojichar" / "__init__.py", "")
    for start in (
        "adult_keywords_ja",
        "adult_keywords_en",
        "discrimination_keywords_ja",
        "violence_keywords_ja",
    ):
        make.file(tmp_path / "site" / "hojichar" / "dict" / f"{start}.txt", "x")
    make.file(tmp_path / "site" / "hojichar" / "dict" / "advertisement_keywords_ja.txt", "x")
    monkeypatch.syspath_prepend(tmp_path / "site")
    text = f"corpus: c\nsources: {{s: {{ingest: {{files: a.jsonl}}}}}}\nmeasure: [{name}]\nscreen: {{all: [{name}]}}\n"
    manifest = load(make.file(tmp_path / "m.yaml", text))
    assert [step.stage.name for step in manifest.steps] == ["measure", "screen"]


def test_bounds_are_changed_in_place():
    """A new bound wins, the others stay, and so does the order."""
    before, _ = read("swallow-v1")
    after, faults = read({"swallow-v1": {"swallow_mean_sentence_chars": {"max": 120}, "characters": None}})
    assert faults == []
    assert ("swallow_mean_sentence_chars", {"min": 20, "max": 120}) in after
    assert [signal for signal, _ in after] == [signal for signal, _ in before[1:]]


@pytest.mark.parametrize("changes", [{"characters": {"min": 200}}, {"characters": None}])
def test_an_unknown_set_with_changes_names_the_nearest(changes):
    """As the plain form does, and not as a threshold on a signal of that name."""
    assert read({"swallow-v2": changes})[1] == [
        "unknown rule set 'swallow-v2'; did you mean 'swallow-v1'?; or a .yaml file beside the manifest"
    ]


def test_a_bound_is_taken_away():
    """Null takes a bound, and a threshold of its own may follow."""
    found, faults = read({"kakehi-ja": {"mean_sentence_chars": {"max": None}}}, {"latin_share": {"max": 0.3}})
    assert faults == []
    assert ("mean_sentence_chars", {"min": 20}) in found
    assert found[-1] == ("latin_share", {"max": 0.3})


@pytest.mark.parametrize(
    ("item", "says"),
    [
        ("swallow-v2", "unknown rule set 'swallow-v2'; did you mean 'swallow-v1'?"),
        ({"swallow-v1": {"charcters": {"min": 1}}}, "has no rule on 'charcters'; did you mean 'characters'?"),
        ({"swallow-v1": [1]}, "got [1], wanted signals with their new bounds"),
        ({"swallow-v1": {"characters": 3}}, "got 3, wanted bounds"),
        ({"swallow-v1": {"characters": {"mim": 3}}}, "unknown key 'mim'"),
        ({"swallow-v1": {"characters": {"min": None}}}, "has none of min"),
        (3, "input should be a valid dictionary or instance of Threshold, got 3"),
        ({"x": 3}, "unknown key 'x'; known: in, keep, max, min"),
    ],
)
def test_rules_that_cant_be(item, says):
    """The fault says what there is."""
    _, faults = read(item)
    assert any(says in fault for fault in faults), faults


def test_own_sets_have_lines(make, tmp_path):
    """A set beside the manifest is found by its name, and its faults carry its line."""
    make.file(
        tmp_path / "mine.yaml", "measure: [script]\nrules:\n  - {characters: {min: 9}}\n  - {kana: {mn: 1}}\n"
    )
    found, faults = read("mine.yaml", beside=tmp_path / "m.yaml")
    assert found == [("characters", {"min": 9})]
    assert faults
    assert all("rule set 'mine.yaml', line 4" in fault for fault in faults)


MANIFEST = """corpus: c
sources: {s: {ingest: {files: a.jsonl}}}
measure: [script, MEASURE]
screen: {all: [RULE]}
"""


@pytest.mark.parametrize(
    ("measure", "rule", "says"),
    [
        (
            "lines",
            "{qqq: {min: 1}}",
            "m.yaml:4: screen: no family measures 'qqq'; known: bullet_line_share, ",
        ),
        ("lines", "{kana_shar: {min: 1}}", "no family measures 'kana_shar'; did you mean 'kana_share'?"),
        (
            "lines",
            "swallow-v1",
            "'top_2gram_share' and 8 more are not measured; add repetition, or the rule set that needs it, to measure",
        ),
        ("lines", "{characters: {in: [a]}}", "'characters' is int64, wanted min or max or over or under"),
        ("language", "{language: {min: 1}}", "'language' is large_string, wanted in or not_in"),
    ],
)
def test_a_threshold_on_what_is_not_measured(make, tmp_path, measure, rule, says):
    """The error names the signals there are, and the line."""
    make.texts(tmp_path / "a.jsonl", 1)
    path = make.file(tmp_path / "m.yaml", MANIFEST.replace("MEASURE", measure).replace("RULE", rule))
    with pytest.raises(ManifestError) as error:
        load(path)
    assert says in str(error.value)


def test_the_manifest_wins_over_a_sets_needs(make, tmp_path):
    """A family that the manifest writes out is measured so, and once."""
    make.texts(tmp_path / "a.jsonl", 1)
    text = MANIFEST.replace("MEASURE", "basic-ja, {language: {chars: 100}}").replace("RULE", "basic-ja")
    [measure] = [s for s in load(make.file(tmp_path / "m.yaml", text)).steps if s.name == "measure"]
    found = {spec["name"]: spec["parameters"] for spec in measure.parameters["families"]}
    assert found == {"script": {}, "language": {"chars": 100, "kana_settles": 0.15}}
