"""Strict readers of SRT and WebVTT for tests: whatever a lenient player would mend is an error here."""

import re
import unicodedata
from dataclasses import dataclass

SRT_TIME = r"(\d{2,}):([0-5]\d):([0-5]\d),(\d{3})"
VTT_TIME = r"(\d{2,}):([0-5]\d):([0-5]\d)\.(\d{3})"
ENTITIES = {"&amp;": "&", "&lt;": "<", "&gt;": ">"}


@dataclass(frozen=True)
class ParsedCue:
    number: int
    start_ms: int
    end_ms: int
    lines: list[str]


@dataclass(frozen=True)
class ParsedVTT:
    notes: list[str]
    cues: list[ParsedCue]


class BadCaptionsError(Exception):
    """The file breaks the format's rules."""


def parse_srt(text: str) -> list[ParsedCue]:
    if not text:
        return []
    return [_cue(block, number, SRT_TIME) for number, block in enumerate(_blocks(text), start=1)]


def parse_vtt(text: str) -> ParsedVTT:
    blocks = _blocks(text)
    if blocks.pop(0) != ["WEBVTT"]:
        raise BadCaptionsError("no WEBVTT header")
    notes = [" ".join(block[1:]) for block in blocks if block[0] == "NOTE"]
    cue_blocks = [block for block in blocks if block[0] != "NOTE"]
    cues = [_cue(block, number, VTT_TIME) for number, block in enumerate(cue_blocks, start=1)]
    return ParsedVTT(
        notes, [ParsedCue(cue.number, cue.start_ms, cue.end_ms, [_unescape(line) for line in cue.lines]) for cue in cues]
    )


def check_limits(cues: list[ParsedCue]) -> None:
    """Assert order, no overlap, at most 7 s, and at most 2 lines of 42 columns, wide characters counted twice."""
    end_ms = 0
    for cue in cues:
        assert end_ms <= cue.start_ms < cue.end_ms <= cue.start_ms + 7_000
        assert len(cue.lines) <= 2
        assert max(_columns(line) for line in cue.lines) <= 42
        end_ms = cue.end_ms


def _columns(line: str) -> int:
    return len(line) + sum(unicodedata.east_asian_width(char) in {"W", "F"} for char in line)


def _blocks(text: str) -> list[list[str]]:
    """Groups of lines, one empty line between two of them; only LF ends a line."""
    if not text.endswith("\n") or text.endswith("\n\n"):
        raise BadCaptionsError("the file must end with one line end")
    blocks = [block.split("\n") for block in text[:-1].split("\n\n")]
    for line in (line for block in blocks for line in block):
        if not line or line != line.strip() or re.search(r"[\r\v\f\x00-\x08\x1c-\x1f\x85\u2028\u2029]", line):
            raise BadCaptionsError(f"not a clean line: {line!r}")
    return blocks


def _cue(block: list[str], number: int, time: str) -> ParsedCue:
    if len(block) < 3 or block[0] != str(number):
        raise BadCaptionsError(f"cue {number} is not numbered or has no text: {block!r}")
    match = re.fullmatch(f"{time} --> {time}", block[1])
    if match is None or any("-->" in line for line in block[2:]):
        raise BadCaptionsError(f"cue {number} has a bad time line or an arrow in its text: {block!r}")
    parts = [int(part) for part in match.groups()]
    return ParsedCue(number, _ms(parts[:4]), _ms(parts[4:]), block[2:])


def _ms(parts: list[int]) -> int:
    hours, minutes, seconds, milliseconds = parts
    return ((hours * 60 + minutes) * 60 + seconds) * 1000 + milliseconds


def _unescape(line: str) -> str:
    bare = re.sub("|".join(ENTITIES), "", line)
    if re.search(r"[<>&]", bare):
        raise BadCaptionsError(f"not escaped: {line!r}")
    return re.sub("|".join(ENTITIES), lambda match: ENTITIES[match[0]], line)
