"""A stream's events as text, JSON lines, SubRip or WebVTT on standard output, each as soon as it can be written."""

import json
from dataclasses import dataclass, field
from typing import Any, Protocol, TextIO

from hark.captions import VTT_HEAD, Captioner
from hark.events import Done, Event, Final, Lag, Partial, Reconnecting, Resumed, SpeechEnded, SpeechStarted


class Writer(Protocol):
    """Takes every event of a stream, in order."""

    def write(self, event: Event) -> None: ...


@dataclass(slots=True)
class TextWriter:
    """One final a line; those without words leave no line."""

    out: TextIO

    def write(self, event: Event) -> None:
        if isinstance(event, Final) and event.text:
            self.out.write(event.text + "\n")
            self.out.flush()


@dataclass(slots=True)
class JsonWriter:
    """One event a line: ready, final, gap, warning, restarted, done; with `interim` partials too."""

    out: TextIO
    interim: bool

    def write(self, event: Event) -> None:
        passed_over = (SpeechStarted, SpeechEnded, Lag, Reconnecting, Resumed) + (() if self.interim else (Partial,))
        if not isinstance(event, passed_over):
            write_json(self.out, event.as_json())


@dataclass(slots=True)
class SubRipWriter:
    out: TextIO
    captioner: Captioner = field(default_factory=Captioner)

    def write(self, event: Event) -> None:
        if isinstance(event, Final):
            self.out.write(self.captioner.srt(event))
            self.out.flush()


@dataclass(slots=True)
class WebVttWriter:
    """Says at its end when something is missing; SubRip has no words for that."""

    out: TextIO
    captioner: Captioner = field(default_factory=Captioner)
    _has_head: bool = False

    def write(self, event: Event) -> None:
        if not self._has_head:
            self._has_head = True
            self.out.write(VTT_HEAD)
        if isinstance(event, Final):
            self.out.write(self.captioner.vtt(event))
        if isinstance(event, Done) and not event.complete:
            self.out.write(f"\nNOTE\nIncomplete: {event.gap_ms / 1000:.1f} s of audio are missing.\n")
        self.out.flush()


def writer_for(name: str, out: TextIO, *, interim: bool) -> Writer:
    """`name`: text, json, srt or vtt."""
    writers: dict[str, Writer] = {
        "text": TextWriter(out),
        "json": JsonWriter(out, interim),
        "srt": SubRipWriter(out),
        "vtt": WebVttWriter(out),
    }
    return writers[name]


def write_json(out: TextIO, content: dict[str, Any]) -> None:
    """One line."""
    out.write(json.dumps(content, ensure_ascii=False) + "\n")
    out.flush()
