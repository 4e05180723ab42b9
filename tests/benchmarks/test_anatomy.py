"""The engine's parts are where the benchmark looks for them."""

import pytest

from benchmarks.anatomy import PARTS, figures, play, watched
from inference.engines import registry
from inference.engines.whisper.engine import WhisperEngine
from tests.speech import clips


def test_every_part_takes_its_time_and_together_they_take_nearly_all() -> None:
    engine = registry.create("whisper-tiny.en", "auto")
    assert isinstance(engine, WhisperEngine)
    engine.load()
    clock = watched(engine)

    num_partials, num_finals = play(engine, [clips()[0].audio, clips()[1].audio], step_ms=1_000)

    shares = figures(clock, engine, 1.0)["share_percent"]
    assert num_partials > num_finals == 2
    assert all(shares[part] > 0 for part in PARTS)
    assert sum(shares.values()) == pytest.approx(100, abs=15)
