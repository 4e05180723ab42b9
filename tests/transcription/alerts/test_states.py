"""The life of an alert as a table: what a value every ten seconds makes of a rule, and what people are told."""

from datetime import UTC, datetime, timedelta
from typing import Final

import pytest

from transcription.alerts.rules import Comparison, Rule
from transcription.alerts.states import Deed, Notice, Outcome, Standing, State, closed_by_hand, follow

START: Final = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
STEP: Final = timedelta(seconds=10)
BAD, FINE = 0.9, 0.1


def rule(**changes: object) -> Rule:
    fields = {"comparison": Comparison.ABOVE, "threshold": 0.5, "hold": timedelta(0), "cool_down": timedelta(seconds=60)}
    return Rule(**fields | changes)  # type: ignore[arg-type]  # a table of fields


def life(of: Rule, *values: float | None, standing: Standing | None = None, start: datetime = START) -> list[Outcome]:
    outcomes: list[Outcome] = []
    for number, value in enumerate(values):
        before = outcomes[-1].standing if outcomes else standing or Standing()
        outcomes.append(follow(of, before, value, start + number * STEP))
    return outcomes


def states(outcomes: list[Outcome]) -> list[State]:
    return [outcome.standing.state for outcome in outcomes]


def deeds(outcomes: list[Outcome]) -> dict[int, Deed]:
    return {number: outcome.deed for number, outcome in enumerate(outcomes) if outcome.deed is not None}


def notices(outcomes: list[Outcome]) -> dict[int, Notice]:
    return {number: outcome.notice for number, outcome in enumerate(outcomes) if outcome.notice is not None}


@pytest.mark.parametrize(
    ("comparison", "at_threshold", "above"),
    [(">", False, True), (">=", True, True), ("<", False, False), ("<=", True, False)],
)
def test_a_value_is_bad_on_the_side_that_the_rule_names(comparison: str, at_threshold: bool, above: bool) -> None:
    of = rule(comparison=Comparison(comparison))

    assert (of.is_bad(0.5), of.is_bad(0.6)) == (at_threshold, above)


def test_without_waiting_a_rule_fires_at_the_first_bad_value_and_is_over_at_the_first_fine_one() -> None:
    outcomes = life(rule(), FINE, BAD, BAD, FINE)

    assert states(outcomes) == [State.OK, State.FIRING, State.FIRING, State.OK]
    assert deeds(outcomes) == {1: Deed.OPENED, 3: Deed.RESOLVED}
    assert notices(outcomes) == {1: Notice.FIRING, 3: Notice.RESOLVED}


def test_a_value_must_be_bad_for_as_long_as_the_rule_says_and_then_fine_for_as_long() -> None:
    outcomes = life(rule(hold=timedelta(seconds=20)), BAD, BAD, BAD, FINE, BAD, FINE, FINE, FINE)

    assert states(outcomes) == [State.PENDING] * 2 + [State.FIRING] * 5 + [State.OK]
    assert deeds(outcomes) == {2: Deed.OPENED, 7: Deed.RESOLVED}


def test_what_was_bad_for_a_moment_only_is_forgotten() -> None:
    outcomes = life(rule(hold=timedelta(seconds=20)), BAD, BAD, FINE, BAD, BAD)

    assert deeds(outcomes) == {}
    assert outcomes[-1].standing.bad_since == START + 3 * STEP


def test_a_rule_that_flaps_is_one_event_and_is_told_of_once_in_a_cool_down() -> None:
    outcomes = life(rule(), BAD, FINE, BAD, FINE, BAD, FINE, BAD, BAD, FINE)

    assert list(deeds(outcomes).values()) == [Deed.OPENED, *[Deed.RESOLVED, Deed.REOPENED] * 3, Deed.RESOLVED]
    assert notices(outcomes) == {0: Notice.FIRING, 1: Notice.RESOLVED, 7: Notice.FIRING, 8: Notice.RESOLVED}


def test_what_fires_again_after_its_cool_down_is_another_event() -> None:
    outcomes = life(rule(), BAD, *[FINE] * 7, BAD)

    assert deeds(outcomes) == {0: Deed.OPENED, 1: Deed.RESOLVED, 8: Deed.OPENED}
    assert notices(outcomes)[8] is Notice.FIRING


def test_missing_data_are_a_state_of_their_own_and_end_what_fires() -> None:
    outcomes = life(rule(hold=timedelta(seconds=10)), None, BAD, BAD, None, None, None)

    assert states(outcomes) == [State.NO_DATA, State.PENDING, State.FIRING, State.FIRING, State.NO_DATA, State.NO_DATA]
    assert deeds(outcomes) == {2: Deed.OPENED, 4: Deed.RESOLVED}


def test_a_rule_may_fire_because_data_are_missing() -> None:
    outcomes = life(rule(hold=timedelta(seconds=10), fires_without_data=True), FINE, None, None, FINE, FINE)

    assert states(outcomes) == [State.OK, State.NO_DATA, State.FIRING, State.FIRING, State.OK]
    assert deeds(outcomes) == {2: Deed.OPENED, 4: Deed.RESOLVED}


@pytest.mark.parametrize(("gap_s", "state"), [(30, State.FIRING), (3_600, State.PENDING)])
def test_waiting_begins_anew_where_nobody_has_looked_for_long(gap_s: int, state: State) -> None:
    of = rule(hold=timedelta(seconds=20))
    before = life(of, BAD)[-1].standing

    (outcome,) = life(of, BAD, standing=before, start=START + timedelta(seconds=gap_s))

    assert outcome.standing.state is state


def test_what_is_called_over_by_hand_stays_quiet_for_its_cool_down() -> None:
    of = rule()
    closed = closed_by_hand(of, life(of, BAD)[-1].standing, START)

    outcomes = life(of, *[BAD] * 7, standing=closed)

    assert deeds(outcomes) == {6: Deed.OPENED}
    assert notices(outcomes) == {6: Notice.FIRING}


def test_what_is_called_over_by_hand_fires_again_when_it_was_fine_in_between() -> None:
    of = rule(cool_down=timedelta(seconds=100))
    closed = closed_by_hand(of, life(of, BAD)[-1].standing, START)

    assert deeds(life(of, BAD, FINE, BAD, standing=closed)) == {2: Deed.REOPENED}
