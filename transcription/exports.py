"""Transcripts as files: JSON, plain text, SubRip (SRT) and WebVTT. Pure: no database, no HTTP.

Captions follow one rule set: a cue shows at most MAX_CUE_MS, on at most MAX_LINES lines of MAX_COLUMNS columns. East Asian
wide characters take two columns, so a line of Chinese or Japanese holds 21 of them; text without spaces breaks between
characters, never before a closing punctuation mark. No cue crosses a segment, cues never overlap, and every character that
is not a space or a control character of the finals is in exactly one cue.

SRT has no comments, so an unfinished transcript shows that in its file name (see `file_name`); the other formats say it
in the file as well.
"""

import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from uuid import UUID

MAX_CUE_MS = 7_000
MIN_CUE_MS = 1_000
MAX_LINES = 2
MAX_COLUMNS = 42
SENTENCE_ENDS = tuple(".?!。？！…")
# Unicode categories that no line may begin with (closing marks, combining marks, joiners, 々 and ー) or end with.
NEVER_FIRST = frozenset({"Pe", "Pf", "Po", "Mn", "Mc", "Me", "Cf", "Sk", "Lm"})
NEVER_LAST = frozenset({"Ps", "Pi", "Cf"})
NOTICES = {
    "live": "Not finished: this session was still being spoken when it was exported.",
    "incomplete": "Incomplete: the session ended early, and audio or text may be missing.",
    "failed": "Incomplete: the session failed, and audio or text may be missing.",
}


@dataclass(frozen=True, slots=True)
class TranscriptWord:
    text: str
    start_ms: int
    end_ms: int
    confidence: float


@dataclass(frozen=True, slots=True)
class TranscriptSegment:
    """One final. `words` may be empty: its captions then spread over the time of the segment by length of text."""

    number: int
    text: str
    start_ms: int
    end_ms: int
    confidence: float
    language: str
    model: str
    words: tuple[TranscriptWord, ...] = ()


@dataclass(frozen=True, slots=True)
class Transcript:
    """A stored session. `status` is one of live, complete, incomplete, failed."""

    session_id: UUID
    status: str
    error_code: str
    language: str
    model: str
    started_at: datetime
    ended_at: datetime | None
    received_ms: int
    transcribed_ms: int
    silence_ms: int
    gap_ms: int
    segments: tuple[TranscriptSegment, ...]

    @property
    def is_complete(self) -> bool:
        return self.status == "complete"

    @property
    def notice(self) -> str:
        """The sentence that says what is missing; empty for a complete transcript."""
        return NOTICES.get(self.status, "")

    @property
    def text(self) -> str:
        """The finals, one a line; a final without words leaves no line."""
        return "\n".join(segment.text for segment in self.segments if segment.text)


@dataclass(frozen=True, slots=True)
class Atom:
    """A piece of text that no line break divides. `has_space`: white space stands before it in the final."""

    text: str
    has_space: bool
    start_ms: int
    end_ms: int


@dataclass(frozen=True, slots=True)
class Cue:
    lines: tuple[str, ...]
    start_ms: int
    end_ms: int


# --- Formats ----------------------------------------------------------------------------------------------------------


def file_name(transcript: Transcript, extension: str) -> str:
    """A safe file name that sorts by time and says when the transcript is not complete."""
    mark = "" if transcript.is_complete else f"-{transcript.status}"
    return f"transcript-{transcript.started_at:%Y%m%d-%H%M%S}-{str(transcript.session_id)[:8]}{mark}.{extension}"


def to_txt(transcript: Transcript) -> str:
    """The finals joined by newlines; a leading line in brackets when the transcript is not complete."""
    return "\n".join(part for part in (transcript.notice and f"[{transcript.notice}]", transcript.text) if part)


def to_json(transcript: Transcript) -> dict[str, Any]:
    """Everything stored, as JSON types; times in milliseconds since the first sample, dates in ISO 8601."""
    fields = asdict(transcript)
    segments = [{"segment": segment.pop("number"), **segment} for segment in fields.pop("segments")]
    return {
        "session": str(fields.pop("session_id")),
        "complete": transcript.is_complete,
        "notice": transcript.notice,
        **fields,
        "started_at": transcript.started_at.isoformat(),
        "ended_at": transcript.ended_at and transcript.ended_at.isoformat(),
        "text": transcript.text,
        "segments": segments,
    }


def to_srt(transcript: Transcript) -> str:
    """SubRip: numbered cues. An arrow in the text, which would end the cue's header, becomes →."""
    blocks = (
        f"{number}\n{_timestamp(cue.start_ms, ',')} --> {_timestamp(cue.end_ms, ',')}\n"
        + "".join(f"{line.replace('-->', '→')}\n" for line in cue.lines)
        for number, cue in enumerate(cues_of(transcript.segments), start=1)
    )
    return "\n".join(blocks)


def to_vtt(transcript: Transcript) -> str:
    """WebVTT: numbered cues with `&`, `<` and `>` escaped; a NOTE block when the transcript is not complete."""
    header = "WEBVTT\n" + (f"\nNOTE\n{transcript.notice}\n" if transcript.notice else "")
    blocks = (
        f"{number}\n{_timestamp(cue.start_ms, '.')} --> {_timestamp(cue.end_ms, '.')}\n"
        + "".join(f"{_escape(line)}\n" for line in cue.lines)
        for number, cue in enumerate(cues_of(transcript.segments), start=1)
    )
    return "\n".join((header, *blocks))


def _escape(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _timestamp(at_ms: int, decimal_mark: str) -> str:
    at_s, milliseconds = divmod(at_ms, 1000)
    minutes, seconds = divmod(at_s, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{decimal_mark}{milliseconds:03}"


# --- Cues -------------------------------------------------------------------------------------------------------------


def cues_of(segments: Sequence[TranscriptSegment]) -> list[Cue]:
    """The captions of `segments`, which are in order.

    1. Each final becomes atoms with times: its words where they match its text, else spread by length.
    2. Atoms fill cues up to the limits; a sentence that ends beyond the first line ends its cue.
    3. Times are put in order: no overlap, no cue of zero length; short cues stay up to MIN_CUE_MS where there is room.
    """
    return _settled([cue for segment in segments for cue in _packed(_atoms_of(segment))])


def columns_of(text: str) -> int:
    """Width of `text`: wide East Asian characters count two, all others one."""
    return sum(2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text)


def _atoms_of(segment: TranscriptSegment) -> list[Atom]:
    return _joined([atom for span in _spans_of(segment) for token in _split_at_spaces(span) for atom in _split_unspaced(token)])


def _joined(atoms: Sequence[Atom]) -> list[Atom]:
    """`atoms` with those put together that no line end may part: pieces of a word, and a mark and what it belongs to."""
    joined: list[Atom] = []
    for atom in atoms:
        if joined and _belongs_to(joined[-1], atom):
            joined[-1] = replace(joined[-1], text=joined[-1].text + atom.text, end_ms=max(joined[-1].end_ms, atom.end_ms))
        else:
            joined.append(atom)
    return joined


def _belongs_to(before: Atom, after: Atom) -> bool:
    has_room = columns_of(before.text + after.text) <= MAX_COLUMNS and after.end_ms - before.start_ms <= MAX_CUE_MS
    return has_room and not after.has_space and not _may_break(before.text[-1], after.text[0])


def _spans_of(segment: TranscriptSegment) -> list[Atom]:
    """The final's text cut where its timed words begin; the whole text when a word is not in it."""
    text = _printable(segment.text)
    whole = Atom(text, has_space=False, start_ms=segment.start_ms, end_ms=segment.end_ms)
    words = [(word, _printable(word.text)) for word in segment.words]
    starts: list[int] = []
    cursor = 0
    for _word, word_text in words:
        found = text.find(word_text, cursor)
        if found < 0:
            return [whole]
        starts.append(found)
        cursor = found + len(word_text)
    if not starts:
        return [whole]
    starts[0] = 0
    return [
        Atom(
            text[start:end],
            has_space=text[start - 1 : start].isspace(),
            start_ms=_clamped(word.start_ms, segment),
            end_ms=_clamped(word.end_ms, segment),
        )
        for (word, _text), start, end in zip(words, starts, [*starts[1:], len(text)], strict=True)
    ]


def _clamped(at_ms: int, segment: TranscriptSegment) -> int:
    """A word outside its segment would push every later cue away."""
    return min(max(at_ms, segment.start_ms), segment.end_ms)


def _printable(text: str) -> str:
    """`text` with single spaces, and without control characters and lone surrogates, which no caption can hold."""
    kept = "".join(char for char in text if char.isspace() or unicodedata.category(char) not in {"Cc", "Cs"})
    return " ".join(kept.split())


def _split_at_spaces(span: Atom) -> list[Atom]:
    return _spread(span, span.text.split(), has_space=True)


def _split_unspaced(token: Atom) -> list[Atom]:
    """`token` cut between wide characters, and every MAX_COLUMNS columns where a word is longer than a line."""
    return _spread(token, list(_breakable(token.text)), has_space=False)


def _breakable(text: str) -> Iterator[str]:
    piece = ""
    for char in text:
        is_full = columns_of(piece + char) > MAX_COLUMNS
        if piece and (is_full or _may_break(piece[-1], char)):
            yield piece
            piece = ""
        piece += char
    if piece:
        yield piece


def _may_break(before: str, after: str) -> bool:
    is_allowed = unicodedata.category(after) not in NEVER_FIRST and unicodedata.category(before) not in NEVER_LAST
    return is_allowed and (_is_unspaced(before) or _is_unspaced(after))


def _is_unspaced(char: str) -> bool:
    """Wide, and of a script without spaces; Korean is wide too but breaks at its spaces."""
    return columns_of(char) == 2 and not "\uac00" <= char <= "\ud7a3"


def _spread(span: Atom, parts: list[str], *, has_space: bool) -> list[Atom]:
    """`parts` of `span`, its time shared among them by their width; `has_space` holds between them."""
    total = sum(columns_of(part) for part in parts)
    length_ms = max(span.end_ms - span.start_ms, 0)
    atoms: list[Atom] = []
    done = 0
    for part in parts:
        start_ms = span.start_ms + length_ms * done // total
        done += columns_of(part)
        end_ms = span.start_ms + length_ms * done // total
        atoms.append(Atom(part, has_space if atoms else span.has_space, start_ms, end_ms))
    return atoms


def _packed(atoms: Sequence[Atom]) -> Iterator[Cue]:
    """Cues of `atoms`, filled in order."""
    taken: list[Atom] = []
    for atom in atoms:
        if taken and (_is_sentence(taken) or not _fits([*taken, atom])):
            yield _cue_of(taken)
            taken = []
        taken.append(atom)
    if taken:
        yield _cue_of(taken)


def _is_sentence(atoms: Sequence[Atom]) -> bool:
    return atoms[-1].text.endswith(SENTENCE_ENDS) and len(_wrapped(atoms)) == MAX_LINES


def _fits(atoms: Sequence[Atom]) -> bool:
    return max(atom.end_ms for atom in atoms) - atoms[0].start_ms <= MAX_CUE_MS and len(_wrapped(atoms)) <= MAX_LINES


def _cue_of(atoms: Sequence[Atom]) -> Cue:
    return Cue(_wrapped(atoms), start_ms=atoms[0].start_ms, end_ms=max(atom.end_ms for atom in atoms))


def _wrapped(atoms: Sequence[Atom]) -> tuple[str, ...]:
    lines: list[str] = []
    for atom in atoms:
        longer = f"{lines[-1]}{' ' * atom.has_space}{atom.text}" if lines else atom.text
        if lines and columns_of(longer) <= MAX_COLUMNS:
            lines[-1] = longer
        else:
            lines.append(atom.text)
    return tuple(lines)


def _settled(cues: Sequence[Cue]) -> list[Cue]:
    """`cues` with times in order, each 1 ms to MAX_CUE_MS long."""
    settled: list[Cue] = []
    floor_ms = 0
    for number, cue in enumerate(cues):
        start_ms = max(cue.start_ms, floor_ms)
        next_ms = cues[number + 1].start_ms if number + 1 < len(cues) else start_ms + MIN_CUE_MS
        roomy_ms = min(start_ms + MIN_CUE_MS, next_ms)
        floor_ms = min(max(cue.end_ms, roomy_ms, start_ms + 1), start_ms + MAX_CUE_MS)
        settled.append(replace(cue, start_ms=start_ms, end_ms=floor_ms))
    return settled
