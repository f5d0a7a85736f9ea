"""How much of each source is packed, and how often a document, as a manifest says it."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Annotated

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from kakehi.tokenizer.packed.mix import MAX_EPOCHS, Share


def _short(value: object) -> object:
    return {"tokens": value} if isinstance(value, int | float) and not isinstance(value, bool) else value


def _pairs(value: object) -> object:
    """Read `{2: 3, 5: 10}` as pairs."""
    return list(value.items()) if isinstance(value, Mapping) else value


def _whole(value: object) -> object:
    return int(value) if isinstance(value, float) and value.is_integer() else value


class Portion(BaseModel):
    """How much of a source is packed; a number alone means tokens.

    Args:
        tokens: so many, over as many epochs as that takes.
        epochs: each document so often.
        weight: in proportion to other sources' weights, as much as the scarcest allows in one epoch.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    tokens: Annotated[int, BeforeValidator(_whole), Field(ge=0)] | None = None
    epochs: Annotated[float, Field(ge=0, le=MAX_EPOCHS)] | None = None
    weight: Annotated[float, Field(ge=0)] | None = None

    @model_validator(mode="after")
    def _one(self) -> Portion:
        if sum(value is not None for value in (self.tokens, self.epochs, self.weight)) != 1:
            raise ValueError("wanted one of tokens, epochs, weight")
        return self

    @property
    def share(self) -> Share:
        """The portion in exact numbers: 0.1 is a tenth, not its nearest float."""
        return Share(self.tokens, _exact(self.epochs), _exact(self.weight))


#: Copies by the least size of a cluster, `[(2, 3), (5, 10)]`; no mapping, whose keys would be text in a recipe.
Copies = Annotated[
    list[tuple[Annotated[int, Field(ge=1, lt=1 << 63)], Annotated[int, Field(ge=1, le=MAX_EPOCHS)]]],
    BeforeValidator(_pairs),
    AfterValidator(sorted),
]

Mix = dict[str, Annotated[Portion, BeforeValidator(_short)]]


def _exact(value: float | None) -> Fraction | None:
    return None if value is None else Fraction(str(value))
