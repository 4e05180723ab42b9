"""Clips played to an engine as live streams play them: partials of growing windows, then the final, all streams in step.

What is counted is CPU time, so that what else runs on the machine disturbs less. Voice activity and the server around the
engine have no part in it.
"""

import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from inference.audio import SAMPLE_RATE_HZ
from inference.bench.speech import Clip
from inference.engines.base import Engine, Window, recognise


@dataclass(slots=True)
class Cost:
    """Of some steps: how many windows they had, and what they took together."""

    num_windows: int = 0
    cpu_s: float = 0.0

    @property
    def window_ms(self) -> float:
        return 1000 * self.cpu_s / max(1, self.num_windows)


@dataclass(slots=True)
class Played:
    """texts: what the finals say, by the name of the clip."""

    partials: Cost = field(default_factory=Cost)
    finals: Cost = field(default_factory=Cost)
    audio_s: float = 0.0
    texts: dict[str, str] = field(default_factory=dict)

    @property
    def cpu_s(self) -> float:
        return self.partials.cpu_s + self.finals.cpu_s


class Speaker:
    """One stream: says its clips one after the other."""

    def __init__(self, engine: Engine[Any], clips: Iterable[Clip]) -> None:
        self.state = engine.open_stream()
        self.languages = () if engine.info.multilingual else engine.info.languages[:1]
        self.clips = deque(clips)
        self.num_said = 0

    @property
    def has_finished(self) -> bool:
        """The clip is at its end."""
        return self.num_said >= len(self.clips[0].audio)

    def window(self, *, is_final: bool) -> Window[Any]:
        clip = self.clips[0]
        languages = (clip.language,) if clip.language else self.languages
        return Window(self.state, clip.audio[: self.num_said], languages, is_final)

    def go_on(self) -> Clip:
        """To the next clip; returns the last one."""
        self.num_said = 0
        return self.clips.popleft()


def dealt(clips: Sequence[Clip], num_streams: int) -> list[list[Clip]]:
    """What each stream says: all clips about once together, at least two for each of several streams."""
    if num_streams == 1:
        return [list(clips)]
    num_turns = max(2, -(-len(clips) // num_streams))
    return [[clips[(stream * num_turns + turn) % len(clips)] for turn in range(num_turns)] for stream in range(num_streams)]


def play(
    engine: Engine[Any], hands: Sequence[Sequence[Clip]], step_ms: int, clock: Callable[[], float] = time.process_time
) -> Played:
    """Each of `hands` is said by a stream of its own; after every `step_ms` of speech all streams get a step.

    The engine is loaded and warm. `clock` counts seconds, by default of CPU, all threads of the process together.
    """
    played = Played()
    speakers = [Speaker(engine, clips) for clips in hands]
    while talking := [speaker for speaker in speakers if speaker.clips]:
        for speaker in talking:
            speaker.num_said += step_ms * SAMPLE_RATE_HZ // 1000
        finished = [speaker for speaker in talking if speaker.has_finished]
        _step(engine, [speaker for speaker in talking if not speaker.has_finished], played.partials, clock, is_final=False)
        texts = _step(engine, finished, played.finals, clock, is_final=True)
        for speaker, text in zip(finished, texts, strict=True):
            clip = speaker.go_on()
            played.texts[clip.name] = text
            played.audio_s += clip.seconds
    for speaker in speakers:
        engine.finish(speaker.state)
    return played


def _step(
    engine: Engine[Any], speakers: Sequence[Speaker], cost: Cost, clock: Callable[[], float], *, is_final: bool
) -> list[str]:
    """One step, if anybody wants it; what it wrote."""
    if not speakers:
        return []
    windows = [speaker.window(is_final=is_final) for speaker in speakers]
    started_s = clock()
    results = recognise(engine, windows)
    cost.cpu_s += clock() - started_s
    cost.num_windows += len(windows)
    return [result.text for result in results]
