"""From what clients saw to delays, errors and accounts. Everything here is a function of tapes, messages and times."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from benchmarks.scoring import ErrorRate, units
from benchmarks.streams.player import Heard, Take
from benchmarks.streams.tape import SAMPLES_PER_MS, Spoken

TERMINAL: Final = frozenset({"done", "error"})
DECIDED_BEHIND_MS: Final = 300  # `speech_ended` may name a place a little behind the `end_ms` of the final it belongs to


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time on the monotonic clock."""

    from_s: float
    to_s: float

    def __contains__(self, at_s: float) -> bool:
        return self.from_s <= at_s <= self.to_s


@dataclass(frozen=True, slots=True)
class Summary:
    """In ms. Of nothing, all are 0."""

    num: int
    p50: float
    p95: float
    p99: float
    most: float


def summary(values_ms: Sequence[float]) -> Summary:
    if not values_ms:
        return Summary(0, 0.0, 0.0, 0.0, 0.0)
    p50, p95, p99, most = (round(float(value), 1) for value in np.percentile(values_ms, [50, 95, 99, 100]))
    return Summary(len(values_ms), p50, p95, p99, most)


DELAYS: Final = (
    "first_text", "interval", "age", "end_to_final", "end_to_decided", "decided_to_final", "finalize_to_final", "late",
    "voice_end",
)  # fmt: skip
JOINED: Final = "joined"
MISSED: Final = "missed"


@dataclass(slots=True)
class Delays:
    """By name, pairs of when something was said or came (monotonic clock, s) and a delay (ms).

    `voice_end` is no delay: how far behind the energy's end of speech the server's own (`speech_ended.at_ms`) lies.
    `JOINED` and `MISSED` are ends of clips that have no delay, with 0 in its place.
    """

    series: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: {name: [] for name in (*DELAYS, JOINED, MISSED)})

    def add(self, take: Take) -> None:
        self.series["late"] += [
            (take.due_s(number * take.frame_ms), late_ms) for number, late_ms in enumerate(take.late_ms, start=1)
        ]
        self._add_partials(take)
        self._add_finalized(take)
        spoken: list[Spoken | None] = [None, *take.tape.spoken(), None]
        for before, said, after in zip(spoken, spoken[1:], spoken[2:], strict=False):
            assert said
            self._add_first_text(take, said, before)
            if not take.tape.finalizes:  # there no end is left to the server to find
                self._add_end(take, said, after)

    def within(self, span: Span) -> "Delays":
        """Only what was said or came in `span`."""
        return Delays({name: [pair for pair in pairs if pair[0] in span] for name, pairs in self.series.items()})

    def summaries(self) -> dict[str, Summary]:
        return {name: summary([ms for _at_s, ms in self.series[name]]) for name in DELAYS}

    def _note(self, name: str, since_s: float, until_s: float) -> None:
        self.series[name].append((since_s, (until_s - since_s) * 1000))

    def _add_partials(self, take: Take) -> None:
        partials = take.of("partial")
        for partial in partials:
            self._note("age", take.due_s(partial.message["end_ms"]), partial.at_s)
        for earlier, later in zip(partials, partials[1:], strict=False):
            if earlier.message["segment"] == later.message["segment"]:
                self._note("interval", earlier.at_s, later.at_s)

    def _add_finalized(self, take: Take) -> None:
        """Finals that answer `finalize`, in the order of the questions; an empty one had nothing to recognise."""
        answers = [final for final in take.of("final") if final.message["from_finalize"]]
        for asked_s, answer in zip(take.finalized_s, answers, strict=False):
            if answer.message["text"]:
                self._note("finalize_to_final", asked_s, answer.at_s)

    def _add_first_text(self, take: Take, said: Spoken, before: Spoken | None) -> None:
        finals = [final.message for final in take.of("final") if overlaps(final.message, said)]
        if not finals or (before and overlaps(finals[0], before)):
            return
        texts = (heard for heard in take.heard if heard.message.get("segment") == finals[0]["segment"] and heard.message["text"])
        if first := next(texts, None):
            self._note("first_text", take.due_s(said.onset_ms), first.at_s)

    def _add_end(self, take: Take, said: Spoken, after: Spoken | None) -> None:
        due_s = take.due_s(said.end_ms)
        finals = [final for final in take.of("final") if overlaps(final.message, said)]
        decided = decision(take.of("speech_ended"), finals[-1]) if finals else None
        if not finals:
            self._note(MISSED, due_s, due_s)
        elif decided is None or (after and overlaps(finals[-1].message, after)):
            self._note(JOINED, due_s, due_s)
        else:
            self._note("end_to_final", due_s, finals[-1].at_s)
            self._note("end_to_decided", due_s, decided.at_s)
            self._note("decided_to_final", decided.at_s, finals[-1].at_s)
            self.series["voice_end"].append((due_s, decided.message["at_ms"] - said.end_ms))


def overlaps(final: dict[str, Any], said: Spoken) -> bool:
    return bool(final["start_ms"] < said.end_ms and final["end_ms"] > said.onset_ms)


def decision(ended: Iterable[Heard], final: Heard) -> Heard | None:
    """The `speech_ended` that belongs to a final and came before it; None where the segment was cut at its maximal length."""
    from_ms, until_ms = final.message["start_ms"], final.message["end_ms"] + DECIDED_BEHIND_MS
    inside = [heard for heard in ended if from_ms < heard.message["at_ms"] <= until_ms and heard.at_s <= final.at_s]
    return inside[-1] if inside else None


def failure_of(take: Take) -> str:
    """Why a session does not count as well ended; "" where it does."""
    if take.failure:
        return take.failure
    terminal = [heard.message for heard in take.heard if heard.message["type"] in TERMINAL]
    if len(terminal) != 1:
        return f"{len(terminal)} terminal messages"
    last = terminal[0]
    if last["type"] == "error":
        return f"error {last['code']}: {last['message']}"
    accounted_ms = last["transcribed_ms"] + last["silence_ms"] + last["gap_ms"]
    if last["received_ms"] != accounted_ms or not last["complete"]:
        return f"account: received {last['received_ms']} ms, accounted {accounted_ms} ms, gap {last['gap_ms']} ms"
    sent_ms = take.tape.num_samples // SAMPLES_PER_MS
    return "" if last["received_ms"] == sent_ms else f"received {last['received_ms']} ms of the {sent_ms} ms sent"


@dataclass(slots=True)
class Texts:
    """Word errors of sessions, live and offline."""

    live: ErrorRate = field(default_factory=ErrorRate)
    offline: ErrorRate = field(default_factory=ErrorRate)

    def add(self, take: Take, whole: dict[str, str]) -> None:
        """`whole`: offline texts by the name of the clip."""
        heard = " ".join(final.message["text"] for final in take.of("final"))
        self.live.add(units(take.tape.text, by_character=False), units(heard, by_character=False))
        for part in take.tape.parts:
            clip = part.sound.clip
            self.offline.add(units(clip.text, by_character=False), units(whole[clip.name], by_character=False))

    @property
    def penalty_points(self) -> float:
        return self.live.percent - self.offline.percent


def plateau(takes: Sequence[Take]) -> Span:
    """While every client was speaking: from the last first sample to the first last one."""
    firsts: dict[int, float] = {}
    lasts: dict[int, float] = {}
    for take in takes:
        firsts[take.client] = min(take.start_s, firsts.get(take.client, take.start_s))
        lasts[take.client] = max(take.last_due_s, lasts.get(take.client, take.last_due_s))
    return Span(max(firsts.values()), min(lasts.values()))
