"""Cut WARC files into records: each once, in order, whatever packs them, with a word for every stretch that is none.

Where each record fills a gzip member of its own, as crawlers write them, fastwarc unpacks it and the member is taken as
it is. All else goes by the unpacked content: a record ends where its length says, if a line end follows and then a
record or nothing; if not, where the next record starts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from typing import Final

from kakehi.pipeline.sources.formats.compressed import Packing
from kakehi.pipeline.sources.formats.heads import BLANK, Fields, Named, answer_in
from kakehi.pipeline.sources.formats.members import Cut
from kakehi.pipeline.sources.formats.packed import Packed
from kakehi.pipeline.sources.formats.records import Reason
from kakehi.pipeline.sources.formats.window import START_BYTES, Window

#: A head is shorter; fastwarc allows half of it.
HEAD_BYTES: Final = 1 << 16

_PIECE_BYTES: Final = 1 << 16
_LINE_ENDS: Final = b"\r\n\r\n"
_TAIL: Final = re.compile(rb"(?:\r*\n){2}|[\r\n]*WARC/", re.IGNORECASE)
_LAST_LINES: Final = re.compile(rb"(?:\r?\n){0,2}\Z")
_DAMAGE: Final[dict[Packing, Reason]] = {
    "gzip": "broken_gzip",
    "zstd": "broken_zstd",
    "none": "broken_record",
}
#: By how much a length may be too small, as old versions of wget have it, and the record be believed.
_FEW_BYTES: Final = 2
_LOOK_BYTES: Final = 4096


class Cutter:
    """Cut the content of a file, from a place on where a member starts.

    Args:
        packed: the file.
        start: the place.
        limit: a longer block is `too_large`.
        reached: told the place of every record before it is looked at.
    """

    def __init__(self, packed: Packed, start: int, limit: int, reached: Callable[[int], None]) -> None:
        self._window, self._packing, self._size = Window(packed, start), packed.packing, packed.size
        self._limit, self._reached = limit, reached
        self._opened, self._first = start, start == packed.start
        self._counts_content = packed.packing == "none"  # places are those of the content
        self._unbroken = 0  # up to where no blank line begins, behind the last head that had none
        self._inside = (-1, 0)  # a member's start, and how many records were found behind it
        self._lost: Cut | None = None
        self._next: int | None = None  # where a member starts, from which all may be as usual

    def cuts(self, known: int) -> Generator[Cut, None, int]:
        """Yield records but the first `known`, and lost stretches; return where `cut_members` may go on, or the size."""
        window, at = self._window, 0
        self._first &= known == 0
        while self._next is None:
            at = window.passed_padding(at)
            if not window.holds(at + 1):
                if not window.damage:
                    break
                self._lose(at, _DAMAGE[self._packing], self._damage())
                if not window.go_on():
                    break
                at = window.begin
            elif not window.starts_record(at):
                self._lose(at, "broken_record", f"no WARC record, but {self._bytes(at, at + 16)!r}")
                at = self._find_start(at + 1)
            else:
                place = self._place_of(at)
                yield from self._ended(place)
                self._reached(place)
                cut, at = self._record(at, place)
                if cut is not None and known:
                    known, self._next = known - 1, None
                elif cut is not None:
                    yield cut
        if self._next is not None:
            return self._next
        yield from self._ended(self._opened + window.end if self._counts_content else self._size)
        return self._size

    def _record(self, at: int, place: int) -> tuple[Cut | None, int]:
        """Return the record that starts here, None where it is lost, and where to go on."""
        window, member, blank = self._window, self._member_of(at), self._blank(at)
        if blank is None:
            return None, self._without_end(at, place)
        fields = Fields(self._bytes(at, blank[0]))
        size = fields.length
        if size is None:
            self._lose(at, "wrong_length", "Content-Length is missing", place, fields)
            return None, self._find_start(blank[1])
        if size > self._limit:
            return None, self._pass_large(at, place, fields, blank[1], size)
        end = self._end(at, place, fields, blank[1], size)
        if self._lost is not None:
            return None, end
        block = self._bytes(blank[1], end)
        usual = self._bytes(end, end + len(_LINE_ENDS)) == _LINE_ENDS
        after = window.passed_padding(end)
        more, behind = window.holds(after + 1), self._member_of(after)
        if window.damage and not more and behind[0] != after:
            self._lose(at, _DAMAGE[self._packing], self._damage(), place)
            return None, after
        if self._first and at == 0 and behind == (0, self._opened) and more and window.starts_record(after):
            self._counts_content = True
        if self._packing != "none" and (
            self._counts_content or member[0] != at or (behind[0] != after and more)
        ):
            return Cut(place, after - at, fields, block), after
        stop = behind[1] if behind[0] == after else self._opened + after if more else self._size
        near = window.end - after <= _PIECE_BYTES
        if usual and more and near and after == end + len(_LINE_ENDS):
            self._next = stop
        return Cut(place, stop - place, fields, block), after

    def _blank(self, at: int) -> tuple[int, int] | None:
        """Return where a head ends, and where its block starts."""
        window, stop = self._window, at + HEAD_BYTES
        while True:
            look = max(at, self._unbroken) - window.begin
            found = BLANK.search(window.content, look, stop - window.begin)
            if found:
                return window.begin + found.start(), window.begin + found.end()
            if window.end >= stop:  # 244,000 version lines, 2 MB, were each searched to here: half a minute
                tail = self._bytes(stop - _LOOK_BYTES, stop)
                self._unbroken = stop - len(tail) + len(tail.rstrip(b"\r\n"))
                return None
            if not window.grow():
                return None

    def _without_end(self, at: int, place: int) -> int:
        """Lose a record whose head has no end; return where to go on."""
        if self._window.end - at >= HEAD_BYTES:
            self._lose(at, "broken_record", f"a head of over {HEAD_BYTES} bytes", place)
            return self._find_start(at + 1)
        reason: Reason = _DAMAGE[self._packing] if self._window.damage else "broken_record"
        self._lose(at, reason, self._damage() or "the file breaks off", place)
        return self._window.end

    def _end(self, at: int, place: int, fields: Named, start: int, size: int) -> int:
        """Return where a block ends; where that can't be told, lose the record and return where to go on."""
        window, end = self._window, start + size
        if window.holds(end) and self._is_tail(end):
            return end
        there, after = self._there(start, end)
        if after is not None and self._believes(start, there, there - end):
            return there
        if after is None and window.damage and window.end <= end:
            self._lose(at, _DAMAGE[self._packing], self._damage(), place)
            return window.end
        note = f"{size} bytes named, {'more' if after is None else there - start} there"
        self._lose(at, "wrong_length", note, place, fields)
        return self._find_start(end) if after is None else after

    def _is_tail(self, end: int) -> bool:
        """Say whether what is here ends a record."""
        self._window.holds(end + START_BYTES)
        behind = self._bytes(end, end + START_BYTES)
        return _TAIL.match(behind) is not None or not behind.strip(b"\r\n\0")

    def _there(self, start: int, end: int) -> tuple[int, int | None]:
        """Return where a block ends by what follows it, and where that starts, None where nothing is found near."""
        window = self._window
        near = (
            start + min(3 * (end - start), self._limit) + _LOOK_BYTES
        )  # UTF-8 is 3 bytes a character at most
        after = window.next_start(start, near)
        if after is None and not window.damage and window.end <= near and not window.grow():
            after = window.end
        stop = window.end if after is None else after
        lines = _LAST_LINES.search(self._bytes(max(start, stop - len(_LINE_ENDS)), stop))
        return stop - (len(lines[0]) if lines else 0), after

    def _believes(self, start: int, there: int, more: int) -> bool:
        """Say whether a block of another length than named is whole: few bytes more, or as many as HTTP says."""
        if 0 < more <= _FEW_BYTES:
            return True
        block = self._bytes(start, there)
        answer = answer_in(block)
        return answer.status is not None and answer.fields.length == len(block) - answer.body

    def _pass_large(self, at: int, place: int, fields: Named, start: int, size: int) -> int:
        """Lose a record that is too large, or says so; return where to go on."""
        window, end = self._window, start + size
        named = f"{size} bytes named"
        if self._packing == "none":
            if self._opened + end > self._size:
                self._lose(at, "wrong_length", f"{named}, but the file ends before", place, fields)
                return self._find_start(start)
            window.jump(end)
        while window.end < end + START_BYTES:
            mark = window.marks[-1][0]
            if start < mark < end and window.starts_record(
                mark
            ):  # a record that goes on in such a member has not been seen
                self._lose(at, "wrong_length", f"{named}, {mark - start} there", place, fields)
                return mark
            window.forget(min(window.end, end) - START_BYTES)
            if not window.grow():
                break
        if window.end < end and window.damage:
            self._lose(at, _DAMAGE[self._packing], self._damage(), place)
            return window.end
        if window.end < end:
            self._lose(at, "wrong_length", f"{named}, but the file ends before", place, fields)
            return window.end
        if self._is_tail(end):
            self._lose(at, "too_large", f"{size} bytes", place, fields)
            return end
        self._lose(at, "wrong_length", f"{named}, more there", place, fields)
        if self._packing == "none":
            window.jump(start)
            return self._find_start(start)
        return self._find_start(end)

    def _lose(
        self, at: int, reason: Reason, note: str, place: int | None = None, fields: Named | None = None
    ) -> None:
        """Begin a lost stretch, which the next record ends; all that goes wrong on the way to it is one loss.

        What a broken member says of itself is not believed: it comes without fields.
        """
        if self._lost is None:
            place = self._place_of(at) if place is None else place
            self._lost = Cut(place, 0, fields or Fields(b""), b"", reason, note)

    def _ended(self, place: int) -> Generator[Cut, None, None]:
        if self._lost is not None:
            yield self._lost._replace(length=place - self._lost.offset)
            self._lost = None

    def _damage(self) -> str:
        many = self._counts_content and self._window.damage
        return self._window.damage + (
            "; its member holds many records, and the rest of them is lost" if many else ""
        )

    def _find_start(self, at: int) -> int:
        found = self._window.next_start(at)
        return self._window.end if found is None else found

    def _bytes(self, start: int, end: int) -> bytes:
        begin = self._window.begin
        return bytes(self._window.content[start - begin : end - begin])

    def _member_of(self, at: int) -> tuple[int, int]:
        """Return where the member starts that holds this place: in the content, and in the file."""
        return next(mark for mark in reversed(self._window.marks) if mark[0] <= at)

    def _place_of(self, at: int) -> int:
        """Return a place as it is told: of the file; of a record inside a member, a number behind the member's."""
        if self._counts_content:
            return self._opened + at
        start, place = self._member_of(at)
        if start == at:
            return place
        self._inside = (start, self._inside[1] + 1 if self._inside[0] == start else 1)
        return place + self._inside[1]
