"""Cut Japanese into words with MeCab and UniDic: for training only, no model needs it at run time."""

from collections.abc import Iterator
from functools import cache
from typing import Any, Final

from .sampling import cut

MAX_MECAB_BYTES: Final = 4096
"""MeCab keeps a word's length in 16 bits and crashes the process on a word of 200 kB."""


def segment(line: str) -> list[str]:
    """Cut a line into words; joined, they are the line.

    White space, which MeCab drops, leads the word after it; where none comes, it is a word of its own.

    Example:
        >>> segment("私は  学生です ")
        ['私', 'は', '  学生', 'です', ' ']
    """
    return list(_words(line))


def _words(line: str) -> Iterator[str]:
    tagger = _open_tagger()
    for piece in cut(line, MAX_MECAB_BYTES):
        start = 0
        # MeCab reads a C string: it would stop at the first NUL.
        for word in filter(None, tagger.parse(piece.replace("\0", " ")).split(" ")):
            stop = piece.index(word, start) + len(word)
            yield piece[start:stop]
            start = stop
        if start < len(piece):
            yield piece[start:]


@cache
def _open_tagger() -> Any:
    import fugashi  # noqa: PLC0415 - 150 ms and a dictionary, for segmented training alone
    import unidic_lite  # noqa: PLC0415 - as above

    # "-r" keeps a mecabrc of the machine out of it; wakati output is 4 to 8 times as fast as nodes.
    return fugashi.Tagger(f'-r /dev/null -d "{unidic_lite.DICDIR}" -Owakati')
