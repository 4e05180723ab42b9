"""What was said, gathered from a stream's events. Pure."""

from dataclasses import asdict, dataclass, field
from typing import Any

from hark import captions
from hark.events import Done, Event, Final, Gap, Ready, Restarted, Warning


@dataclass(frozen=True, slots=True)
class Transcript:
    """`done`: the accounts; `complete` says whether nothing is missing."""

    finals: tuple[Final, ...]
    gaps: tuple[Gap, ...]
    warnings: tuple[Warning, ...]
    sessions: tuple[str, ...]
    done: Done

    @property
    def text(self) -> str:
        """The finals, one a line."""
        return "\n".join(final.text for final in self.finals if final.text)

    @property
    def is_complete(self) -> bool:
        return self.done.complete

    def as_json(self) -> dict[str, Any]:
        """Everything as JSON types; times in milliseconds since the first sample."""
        accounts = self.done.as_json()
        return {
            **{name: value for name, value in accounts.items() if name != "type"},
            "sessions": list(self.sessions),
            "text": self.text,
            "gaps": [gap.as_json() for gap in self.gaps],
            "segments": [asdict(final) for final in self.finals],
        }

    def as_srt(self) -> str:
        return captions.to_srt(self.finals)

    def as_vtt(self) -> str:
        return captions.to_vtt(self.finals)


@dataclass(slots=True)
class TranscriptBuilder:
    """Takes every event of one stream; `transcript` is there when `Done` has come."""

    finals: list[Final] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    warnings: list[Warning] = field(default_factory=list)
    sessions: list[str] = field(default_factory=list)
    done: Done | None = None

    def add(self, event: Event) -> None:
        match event:
            case Final():
                self.finals.append(event)
            case Gap():
                self.gaps.append(event)
            case Warning():
                self.warnings.append(event)
            case Ready() | Restarted():
                self.sessions.append(event.session)
            case Done():
                self.done = event

    def transcript(self) -> Transcript:
        assert self.done is not None, "a stream ends with Done, or raises"
        return Transcript(tuple(self.finals), tuple(self.gaps), tuple(self.warnings), tuple(self.sessions), self.done)
