"""The families of signals: what can be measured on a document. A signal never drops and never sees a threshold."""

from difflib import get_close_matches
from importlib import import_module

from kakehi.filters.signals.address import ADDRESS
from kakehi.filters.signals.compression import COMPRESSION
from kakehi.filters.signals.family import Family, Signal
from kakehi.filters.signals.hojichar import HOJICHAR
from kakehi.filters.signals.language import LANGUAGE
from kakehi.filters.signals.lines import LINES
from kakehi.filters.signals.repetition import REPETITION
from kakehi.filters.signals.script import SCRIPT
from kakehi.filters.signals.swallow import SWALLOW
from kakehi.filters.signals.wordlists import WORDLISTS

__all__ = ["FAMILIES", "Family", "Signal", "find_family"]

FAMILIES: dict[str, Family] = {
    "script": SCRIPT,
    "lines": LINES,
    "repetition": REPETITION,
    "compression": COMPRESSION,
    "swallow": SWALLOW,
    "hojichar": HOJICHAR,
    "language": LANGUAGE,
    "wordlists": WORDLISTS,
    "address": ADDRESS,
}


def find_family(name: str) -> Family:
    """Return the family of that name, or a user's own from 'package.module:ATTRIBUTE'.

    Raises:
        ValueError: There is none; the message names the nearest.
    """
    if ":" in name:
        return _imported(name)
    if name in FAMILIES:
        return FAMILIES[name]
    near = get_close_matches(name, FAMILIES, n=3) or list(FAMILIES)
    raise ValueError(f"find_family: no family {name!r}, did you mean {_listed(near)}")


def _imported(name: str) -> Family:
    module_name, attribute = name.split(":", 1)
    try:
        module = import_module(module_name)
    except ModuleNotFoundError as error:
        raise ValueError(f"find_family: {name!r} can't be imported: no module {error.name!r}") from error
    families = [key for key, value in vars(module).items() if isinstance(value, Family)]
    if attribute not in families:
        near = get_close_matches(attribute, families, n=3) or families
        raise ValueError(
            f"find_family: {module_name!r} has no family {attribute!r}, it has {_listed(near) or 'none'}"
        )
    family: Family = getattr(module, attribute)
    return family


def _listed(names: list[str]) -> str:
    return ", ".join(map(repr, names))
