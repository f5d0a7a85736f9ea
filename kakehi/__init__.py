"""kakehi (筧): from the Japanese web to pretraining data, every document accounted for."""

from importlib.metadata import version

__version__ = version("kakehi")
