"""What a rule would have done: its events, how bad they became, and how often people would have been told."""

from datetime import UTC, datetime, timedelta
from typing import Final

from transcription.alerts.replay import Replay, Spell, replay
from transcription.alerts.rules import Comparison, Rule

START: Final = datetime(2026, 11, 22, 9, 0, tzinfo=UTC)
STEP: Final = timedelta(minutes=5)
RULE: Final = Rule(Comparison.ABOVE, 0.5, hold=timedelta(minutes=5), cool_down=timedelta(minutes=20))


def replayed(*values: float | None) -> Replay:
    return replay(RULE, [(START + number * STEP, value) for number, value in enumerate(values)], STEP)


def test_a_spell_lasts_from_when_it_would_have_fired_to_when_it_would_have_been_over() -> None:
    told = replayed(0.1, 0.6, 0.7, 0.9, 0.1, 0.1)

    assert told.spells == (Spell(START + 2 * STEP, START + 5 * STEP, peak=0.9),)
    assert told.num_notices == 2


def test_what_fires_again_in_the_cool_down_is_counted_but_not_told() -> None:
    told = replayed(0.6, 0.6, 0.1, 0.1, 0.7, 0.8)

    assert told.spells == (Spell(START + STEP, None, peak=0.8, num_fired=2),)
    assert told.num_notices == 2


def test_without_any_data_it_says_so() -> None:
    told = replayed(None, None)

    assert told.is_without_data
    assert told.spells == ()
