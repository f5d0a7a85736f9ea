"""Show the content of a file packed by gzip or zstd, or not at all, from a place on, and where its members start in it.

Content is counted from that place on; of what was shown, only the stretch still needed is kept.
"""

from __future__ import annotations

import zlib
from bisect import bisect_left
from typing import Any, Final

import zstandard

from kakehi.pipeline.sources.formats.compressed import MAGICS, is_skippable
from kakehi.pipeline.sources.formats.heads import START, VERSION
from kakehi.pipeline.sources.formats.packed import STEP_BYTES, Packed

#: Bytes of a version line at most: as many are looked at to tell a start.
START_BYTES: Final = 32

_READ_BYTES: Final = 1 << 16
_KEPT_BYTES: Final = 1 << 20
_PADDING: Final = b"\0\r\n"


class Window:
    """A stretch of the content of a file, which grows at its end and is cut at its beginning.

    Args:
        packed: the file.
        start: where a member starts.
    """

    def __init__(self, packed: Packed, start: int) -> None:
        self._whole, self._file, self._packing = packed, packed.file, packed.packing
        self.content = bytearray()
        self.begin = 0  # of the stretch, counted from where the window was opened
        self.marks = [(0, start)]  # where members start: in the content, in the file
        self.damage = ""
        self._ended = False
        self._turn_to(start)

    @property
    def end(self) -> int:
        """Where the stretch ends."""
        return self.begin + len(self.content)

    def grow(self) -> bool:
        """Show more; say no at the end of the file, and where `damage` has a word for what is wrong there."""
        while not (self._ended or self.damage):
            if self._packing != "none" and self._unpacker is None and not self._open_member():
                break
            if plain := self._step():
                self.content += plain
                return True
        return False

    def holds(self, end: int) -> bool:
        """Grow until a place is shown; say whether it is."""
        while self.end < end:
            if not self.grow():
                return False
        return True

    def forget(self, before: int) -> None:
        """Let go of what lies before a place."""
        if before - self.begin > _KEPT_BYTES:
            del self.content[: before - self.begin]
            self.begin = before
            while len(self.marks) > 1 and self.marks[1][0] <= before:
                del self.marks[0]

    def passed_padding(self, at: int) -> int:
        """Return the next place where neither a line end nor a zero stands."""
        while self.holds(at + 1):
            rest = self.content[at - self.begin : at - self.begin + START_BYTES]
            if left := rest.lstrip(_PADDING):
                return at + len(rest) - len(left)
            at += len(rest)
            self.forget(at)
        return at

    def starts_record(self, at: int) -> bool:
        """Say whether a record starts at a place."""
        self.holds(at + START_BYTES)
        return VERSION.match(self.content, at - self.begin) is not None

    def next_start(self, at: int, limit: int | None = None) -> int | None:
        """Return the first place from `at` on, and up to `limit`, where a record starts, or None.

        Without a limit, what was looked at is forgotten.
        """
        look = at
        while limit is None or look < limit:
            self.holds(look + START_BYTES)
            found = START.search(self.content, look - self.begin)
            start = self.begin + found.start() if found else None
            for mark, _ in self.marks[bisect_left(self.marks, (look, 0)) :]:
                if start is not None and mark >= start:
                    break
                if self.starts_record(mark):
                    start = mark
            if start is not None:
                return start if limit is None or start <= limit else None
            look = max(look, self.end - START_BYTES)
            if limit is None:
                self.forget(look)
            if not self.grow():
                return None
        return None

    def go_on(self) -> bool:
        """Turn to the next member behind damage that can be unpacked; say no where there is none."""
        at = self.marks[-1][1] + 1
        place = self._whole.next_member(at)
        self.damage = ""
        self.begin = self.end + 1  # no two places are one
        self.content.clear()
        if place is None:
            self._ended = True
            return False
        self.marks = [(self.begin, place)]
        self._turn_to(place)
        return True

    def jump(self, to: int) -> None:
        """Go on at a place of a file that is not packed, without looking at what lies between."""
        self.content.clear()
        self.begin = to
        self._turn_to(self.marks[0][1] + to - self.marks[0][0])

    def _turn_to(self, place: int) -> None:
        self._file.seek(place)
        self._place = place
        self._packed, self._at = b"", 0  # bytes read at once, and how many of them are taken
        self._unpacker: Any = None

    def _peek(self, size: int) -> bytes:
        """Return the next packed bytes without taking them, fewer at the end of the file."""
        while len(self._packed) - self._at < size and (more := self._file.read(_READ_BYTES)):
            self._packed, self._at = self._packed[self._at :] + more, 0
        return self._packed[self._at : self._at + size]

    def _take(self, size: int) -> None:
        self._at += size
        self._place += size

    def _open_member(self) -> bool:
        """Turn to the member that starts here; say no where none does."""
        head = self._peek(8)
        while self._packing == "zstd" and len(head) == 8 and is_skippable(head):
            self._turn_to(self._place + 8 + int.from_bytes(head[4:], "little"))
            head = self._peek(8)
        if not head.strip(_PADDING) and not self._holds_more(head):
            self._ended = True
            return False
        self._mark()
        if not head.startswith(MAGICS[self._packing]):
            self.damage = f"no {self._packing} member, but {head!r}"
            return False
        self._unpacker = self._whole.unpacker()
        return True

    def _mark(self) -> None:
        if self.marks[-1][0] == self.end:
            self.marks[-1] = (self.end, self._place)  # the one before is empty
        else:
            self.marks.append((self.end, self._place))

    def _holds_more(self, head: bytes) -> bool:
        """Say whether anything but padding is left of the file."""
        place = self._place
        while head and not head.strip(_PADDING):
            self._take(len(head))
            head = self._peek(_READ_BYTES)
        self._turn_to(place)
        return bool(head)

    def _step(self) -> bytes:
        if self._packing == "none":
            plain = self._file.read(_READ_BYTES)
            self._place += len(plain)
            self._ended = not plain
            return plain
        packed = self._peek(STEP_BYTES)
        if not packed:
            self.damage = "the file breaks off"
            return b""
        try:
            plain = bytes(self._unpacker.decompress(packed))
        except (zlib.error, zstandard.ZstdError) as error:
            self.damage = str(error)
            return b""
        self._take(len(packed) - len(self._unpacker.unused_data))
        if self._unpacker.eof:
            self._unpacker = None
        return plain
