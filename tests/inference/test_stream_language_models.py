"""Language models that streams ask for: what the loop lets through, and from where on it counts."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from inference.decoding.lms import LanguageModels
from inference.engines.base import Hypothesis, Window
from inference.engines.fake import FakeEngine, FakeState
from inference.messages import ConfigureStream, OpenStream, StreamFailed, StreamOpened, StreamOptions, TranscriptFinal
from tests.inference.decoding.lm_of import folder_of
from tests.inference.test_loop import LINK, Bench
from tests.inference.worker import say


@dataclass
class NotingEngine(FakeEngine):
    """Remembers the language model of each final."""

    asked_for: list[str] = field(default_factory=list)

    def step(self, batch: Sequence[Window[FakeState]]) -> list[Hypothesis]:
        self.asked_for.extend(window.language_model for window in batch if window.is_final)
        return FakeEngine.step(self, batch)


@pytest.fixture
def engine() -> NotingEngine:
    return NotingEngine()


@pytest.fixture
def bench(engine: NotingEngine, tmp_path: Path) -> Bench:
    models = LanguageModels(tmp_path)
    for name in ("orders", "names"):
        folder_of(tmp_path / name, "a b")
        models.get(name)
    return Bench(engine, language_models=models)


def test_an_unknown_one_is_refused_and_nobody_else_is_disturbed(bench: Bench) -> None:
    bench.open(1, language_model="orders")
    bench.open(2, language_model="nobody")
    bench.hear(1, say("alpha"))
    bench.end(1)

    bench.run_dry()

    (refused,) = bench.events(2)
    assert isinstance(refused, StreamFailed)
    assert refused.code == "unknown_language_model"
    assert "there are: names, orders" in refused.message
    assert [event.text for event in bench.events(1) if isinstance(event, TranscriptFinal)] == ["alpha"]


def test_every_window_names_that_of_its_own_stream(bench: Bench, engine: NotingEngine) -> None:
    for stream, name in enumerate(("orders", "", "none", "names")):
        bench.open(stream, interim=False, language_model=name)
        bench.hear(stream, say("alpha"))
        bench.end(stream)

    bench.run_dry()

    assert sorted(engine.asked_for) == ["", "names", "none", "orders"]


def test_a_change_counts_from_the_next_segment_on(bench: Bench, engine: NotingEngine) -> None:
    bench.open(1, interim=False, language_model="orders")
    bench.hear(1, say("alpha"))
    bench.turn()
    bench.loop.submit(LINK, [ConfigureStream(stream=1, language_model="names")])
    bench.hear(1, bytes(2 * 16_000) + say("bravo"))
    bench.end(1)

    bench.run_dry()

    assert engine.asked_for == ["orders", "names"]


def test_a_change_to_an_unknown_one_changes_nothing(bench: Bench, engine: NotingEngine) -> None:
    bench.open(1, interim=False, language_model="orders")
    bench.turn()
    bench.loop.submit(LINK, [ConfigureStream(stream=1, language_model="nobody")])
    bench.hear(1, say("alpha"))
    bench.end(1)

    bench.run_dry()

    assert engine.asked_for == ["orders"]


def test_a_stream_that_goes_on_after_a_process_was_lost_is_not_refused(bench: Bench) -> None:
    bench.loop.submit(LINK, [OpenStream(stream=1, options=StreamOptions(language_model="gone"), goes_on=True)])

    bench.turn()

    assert [type(event) for event in bench.events(1)] == [StreamOpened]
