"""What can go wrong in recognition, switched on for tests: each acceptance check is run against one of these and must fail.

A fault stands between the loop and an engine, scripted or real, and spoils what goes in or what comes out.
"""

import itertools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from inference.audio import SAMPLE_RATE_HZ, to_samples
from inference.engines.base import Engine, Hypothesis, Window, recognise
from inference.engines.fake import FakeEngine, Faults


class Faulty:
    """An engine like the one it stands for; a fault overrides a method."""

    def __init__(self, engine: Engine[Any]) -> None:
        self.engine = engine
        self.info = engine.info

    def num_parameters(self) -> int:
        return self.engine.num_parameters()

    def load(self) -> None:
        self.engine.load()

    def warm_up(self) -> None:
        self.engine.warm_up()

    def open_stream(self) -> Any:
        return self.engine.open_stream()

    def finish(self, state: Any) -> None:
        self.engine.finish(state)

    def close(self) -> None:
        self.engine.close()

    def step(self, batch: Sequence[Window[Any]]) -> list[Hypothesis]:
        windows = [self.spoil_window(window) for window in batch]
        heard = recognise(self.engine, windows)
        return [self.spoil_text(window, hypothesis) for window, hypothesis in zip(windows, heard, strict=True)]

    def spoil_window(self, window: Window[Any]) -> Window[Any]:
        return window

    def spoil_text(self, _window: Window[Any], hypothesis: Hypothesis) -> Hypothesis:
        return hypothesis


class LosesTail(Faulty):
    """The last half second of a final is not heard."""

    def spoil_window(self, window: Window[Any]) -> Window[Any]:
        return replace(window, audio=window.audio[: -to_samples(500)]) if window.is_final else window


class LosesHead(Faulty):
    """As if speech were kept only from where it was noticed, and noticed late."""

    def spoil_window(self, window: Window[Any]) -> Window[Any]:
        return replace(window, audio=window.audio[to_samples(900) :])


class LosesFinals(Faulty):
    """Every third final comes out empty."""

    def __init__(self, engine: Engine[Any]) -> None:
        super().__init__(engine)
        self.numbers = itertools.count(1)

    def spoil_text(self, window: Window[Any], hypothesis: Hypothesis) -> Hypothesis:
        is_lost = window.is_final and next(self.numbers) % 3 == 0
        return replace(hypothesis, text="", stable="", words=()) if is_lost else hypothesis


class IgnoresLanguages(Faulty):
    """Detects the language, whatever the listener asked for."""

    def spoil_window(self, window: Window[Any]) -> Window[Any]:
        return replace(window, languages=())


class Adds(Faulty):
    """Writes `words` behind every text, as models do that thank silence, repeat themselves or read out their prompt."""

    def __init__(self, engine: Engine[Any], words: str) -> None:
        super().__init__(engine)
        self.words = words

    def spoil_text(self, _window: Window[Any], hypothesis: Hypothesis) -> Hypothesis:
        return replace(hypothesis, text=f"{hypothesis.text} {self.words}".strip())


class BreaksPromises(Faulty):
    """Every other text of a segment begins with another word than the one before, and calls it stable."""

    def __init__(self, engine: Engine[Any]) -> None:
        super().__init__(engine)
        self.openings = itertools.cycle(["well", "so"])

    def spoil_text(self, _window: Window[Any], hypothesis: Hypothesis) -> Hypothesis:
        opening = next(self.openings)
        return replace(hypothesis, text=f"{opening} {hypothesis.text}", stable=f"{opening} {hypothesis.stable}".strip())


class Flickers(Faulty):
    """Every other text has its words in another order; none is called stable."""

    def __init__(self, engine: Engine[Any]) -> None:
        super().__init__(engine)
        self.orders = itertools.cycle([1, -1])

    def spoil_text(self, _window: Window[Any], hypothesis: Hypothesis) -> Hypothesis:
        return replace(hypothesis, text=" ".join(hypothesis.text.split()[:: next(self.orders)]), stable="")


class MixesRows(Faulty):
    """Hands every row of a batch its neighbour's text."""

    def step(self, batch: Sequence[Window[Any]]) -> list[Hypothesis]:
        heard = recognise(self.engine, batch)
        return [*heard[1:], *heard[:1]]


@dataclass(slots=True)
class Slot:
    """Memory that one stream after another uses. `said`: what its owner said last."""

    state: Any
    said: Hypothesis | None = None
    is_new_owner: bool = False


class KeepsSlots(Faulty):
    """Gives a new stream the memory of one that is over, and does not clear it: the first text is the former owner's."""

    def __init__(self, engine: Engine[Any]) -> None:
        super().__init__(engine)
        self.free: list[Slot] = []

    def open_stream(self) -> Slot:
        slot = self.free.pop() if self.free else Slot(super().open_stream())
        slot.is_new_owner = slot.said is not None
        return slot

    def finish(self, state: Slot) -> None:
        self.free.append(state)

    def step(self, batch: Sequence[Window[Slot]]) -> list[Hypothesis]:
        heard = recognise(self.engine, [replace(window, state=window.state.state) for window in batch])
        return [self._answer(window, hypothesis) for window, hypothesis in zip(batch, heard, strict=True)]

    def _answer(self, window: Window[Slot], hypothesis: Hypothesis) -> Hypothesis:
        slot = window.state
        stale = slot.said if slot.is_new_owner and window.is_final else None
        if window.is_final:
            slot.is_new_owner, slot.said = False, hypothesis
        return stale or hypothesis


class Hangs(Faulty):
    """Never comes back from the first step that holds speech, as a device does that is lost."""

    def warm_up(self) -> None:
        pass

    def step(self, batch: Sequence[Window[Any]]) -> list[Hypothesis]:
        threading.Event().wait()
        return super().step(batch)


class TooSlow(Faulty):
    """Takes a third of a second for each second of audio that it is shown: three who speak at a time are too many."""

    def warm_up(self) -> None:
        pass

    def step(self, batch: Sequence[Window[Any]]) -> list[Hypothesis]:
        time.sleep(sum(len(window.audio) for window in batch) / SAMPLE_RATE_HZ / 3)
        return super().step(batch)


IN_A_PROCESS: dict[str, Callable[[], Engine[Any]]] = {
    "loses-tail": lambda: LosesTail(FakeEngine()),
    "raises-on-zulu": lambda: FakeEngine(Faults(fail_on="zulu")),
    "mixes-rows": lambda: MixesRows(FakeEngine()),
    "keeps-slots": lambda: KeepsSlots(FakeEngine()),
    "too-slow": lambda: TooSlow(FakeEngine()),
    "hangs": lambda: Hangs(FakeEngine()),
}
"""What `python -m tests.acceptance.faulty_worker NAME` serves."""
