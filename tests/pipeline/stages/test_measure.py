"""measure: every signal of every family, under the name the manifest gives it."""

import pyarrow as pa
import pytest
from pydantic import ValidationError

from kakehi.filters.signals import FAMILIES
from kakehi.filters.signals.family import Family, Signal
from kakehi.pipeline.errors import ContractError, EngineError
from kakehi.pipeline.stages.measure import STAGE, FamilySpec, measure, signal_types


def specs(*families):
    """Read families as a manifest does."""
    return STAGE.model()(families=list(families)).families


def test_columns_are_those_declared(make):
    """In the order of the families, with their types."""
    families = specs("script", "lines")
    out = measure(make.documents([make.text(1), "あ"]), families=families)
    assert {field.name: field.type for field in out.schema} == signal_types(families)
    assert out.num_rows == 2


def test_a_named_instance_prefixes_its_signals(make):
    """Two of one family are told apart."""
    families = specs("script", {"mine": {"script": {}}})
    names = measure(make.documents(["あ"]), families=families).schema.names
    assert [f"mine_{name}" for name in names[: len(names) // 2]] == names[len(names) // 2 :]


def test_no_rows(make):
    """An empty batch has every column."""
    families = specs(*(name for name in FAMILIES if not FAMILIES[name].files))
    out = measure(make.documents([]), families=families)
    assert (out.num_rows, out.schema.names) == (0, list(signal_types(families)))


@pytest.mark.parametrize(
    ("family", "says"),
    [
        ("scrip", "did you mean 'script'"),
        ({"script": {"none": 1}}, "unknown parameter 'none'; known: none"),
        ({"script": 3}, "got 3, wanted a mapping"),
        ("nowhere:MINE", "no module 'nowhere'"),
        (3, "valid dictionary"),
    ],
)
def test_a_family_that_cant_be(family, says):
    """The manifest's fault says what there is."""
    with pytest.raises(ValidationError, match=says):
        specs(family)


def families_that(monkeypatch, give):
    """Put a family into the catalogue that gives what a function gives."""
    signal = Signal(name="odd", dtype=pa.int64(), unit="x", source="own")
    own = Family(measure=give, reads=("text",), signals=(signal,), version=1, libraries=())
    monkeypatch.setitem(FAMILIES, "own", own)
    return [FamilySpec(name="own", family="own")]


@pytest.mark.parametrize(
    "given", [None, (), (pa.array([1]), pa.array([2])), (pa.array(["x"]),), (pa.array([1, 2]),)]
)
def test_a_family_that_breaks_its_promise(make, monkeypatch, given):
    """What it gave is set against what it declares."""
    families = families_that(monkeypatch, lambda _text: given)
    with pytest.raises(ContractError, match="family 'own'"):
        measure(make.documents(["あ"]), families=families)


def test_a_family_that_raises(make, monkeypatch):
    """The error has the family's name."""

    def fail(_text):
        raise KeyError("x")

    with pytest.raises(EngineError, match="family 'own': KeyError: 'x'"):
        measure(make.documents(["あ"]), families=families_that(monkeypatch, fail))


def test_one_name_twice(make):
    """Two signals can't share a column."""
    with pytest.raises(ContractError, match="a second signal"):
        measure(make.documents(["あ"]), families=specs("script", "script"))
