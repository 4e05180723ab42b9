"""Finals as captions: SubRip and WebVTT. Pure.

A caption shows at most MAX_CAPTION_MS on at most MAX_LINES lines of MAX_COLUMNS columns; East Asian wide characters take two.
The server's own export breaks lines with more care; this one needs no second request and works while the stream runs.
"""

import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from hark.events import Final

MAX_CAPTION_MS = 7_000
MIN_CAPTION_MS = 500
MAX_LINES = 2
MAX_COLUMNS = 42


@dataclass(frozen=True, slots=True)
class Caption:
    lines: tuple[str, ...]
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Piece:
    """A word, or a character of a script that has no spaces. `glue`: what stands between it and the piece before."""

    text: str
    glue: str
    start_ms: int
    end_ms: int


@dataclass(slots=True)
class Captioner:
    """Numbers and times go on from final to final, so that captions may be written while the stream runs."""

    num_captions: int = 0
    end_ms: int = 0

    def srt(self, final: Final) -> str:
        """The blocks of one final; an empty line stands before each but the first."""
        return "".join(self._block(caption, ",", "\n".join(caption.lines).replace("-->", "→")) for caption in captions_of(final))

    def vtt(self, final: Final) -> str:
        return "".join(self._block(caption, ".", escaped("\n".join(caption.lines))) for caption in captions_of(final))

    def _block(self, caption: Caption, mark: str, text: str) -> str:
        start_ms = max(caption.start_ms, self.end_ms)
        self.end_ms = max(caption.end_ms, start_ms + MIN_CAPTION_MS)
        self.num_captions += 1
        gap = "\n" if self.num_captions > 1 else ""
        return f"{gap}{self.num_captions}\n{time_stamp(start_ms, mark)} --> {time_stamp(self.end_ms, mark)}\n{text}\n"


VTT_HEAD = "WEBVTT\n\n"


def to_srt(finals: Iterable[Final]) -> str:
    captioner = Captioner()
    return "".join(captioner.srt(final) for final in finals)


def to_vtt(finals: Iterable[Final]) -> str:
    captioner = Captioner()
    return VTT_HEAD + "".join(captioner.vtt(final) for final in finals)


def escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def time_stamp(at_ms: int, mark: str) -> str:
    """`mark` stands before the milliseconds."""
    at_s, rest_ms = divmod(at_ms, 1000)
    return f"{at_s // 3600:02}:{at_s // 60 % 60:02}:{at_s % 60:02}{mark}{rest_ms:03}"


def captions_of(final: Final) -> list[Caption]:
    """One final's captions, filled in order."""
    captions: list[Caption] = []
    taken: list[Piece] = []
    for piece in pieces_of(final):
        if taken and not _fits([*taken, piece]):
            captions.append(_caption(taken))
            taken = []
        taken.append(piece)
    return [*captions, _caption(taken)] if taken else captions


def pieces_of(final: Final) -> Iterator[Piece]:
    """The final's text cut where a line may break, with times from its words, or spread evenly where it has none."""
    times = _times_of_characters(final)
    num_before = 0
    for token in final.text.split():
        for glue, text in _breakable(token):
            start_ms, end_ms = times[num_before][0], times[num_before + len(text) - 1][1]
            num_before += len(text)
            yield Piece(text, glue, start_ms, end_ms)


def columns(text: str) -> int:
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _breakable(token: str) -> Iterator[tuple[str, str]]:
    """`token` cut between wide characters, and where it is longer than a line; a closing mark stays with what it closes."""
    glue, piece = " ", ""
    for char in token:
        is_mark = unicodedata.category(char)[0] in "PM"
        is_wide = bool(piece) and not is_mark and columns(piece[-1] + char) > 2
        if piece and (is_wide or columns(piece + char) > MAX_COLUMNS):
            yield glue, piece
            glue, piece = "", ""
        piece += char
    yield glue, piece


def _times_of_characters(final: Final) -> list[tuple[int, int]]:
    """Start and end of every character that is no space."""
    words = [("".join(word.text.split()), word.start_ms, word.end_ms) for word in final.words]
    text = "".join(final.text.split())
    if "".join(word for word, _start, _end in words) != text:
        words = [(text, final.start_ms, final.end_ms)]
    return [span for word, start_ms, end_ms in words for span in _spread(start_ms, end_ms, len(word))]


def _spread(start_ms: int, end_ms: int, num_parts: int) -> list[tuple[int, int]]:
    bounds = [start_ms + (end_ms - start_ms) * number // max(num_parts, 1) for number in range(num_parts + 1)]
    return list(zip(bounds, bounds[1:], strict=False))


def _fits(pieces: list[Piece]) -> bool:
    return pieces[-1].end_ms - pieces[0].start_ms <= MAX_CAPTION_MS and len(_lines(pieces)) <= MAX_LINES


def _caption(pieces: list[Piece]) -> Caption:
    return Caption(_lines(pieces), pieces[0].start_ms, max(piece.end_ms for piece in pieces))


def _lines(pieces: list[Piece]) -> tuple[str, ...]:
    lines = [pieces[0].text]
    for piece in pieces[1:]:
        longer = lines[-1] + piece.glue + piece.text
        if columns(longer) <= MAX_COLUMNS:
            lines[-1] = longer
        else:
            lines.append(piece.text)
    return tuple(lines)
