"""Schedules carried out: what is asked for at which moment, after how long a downtime, and what is left alone."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db.models import F

from tests.factories import make_model, make_route, make_schedule, make_user
from transcription.models import ModelRoute, ModelSwap
from transcription.swaps import SwapRefused
from transcription.swaps.scheduling import TRY_AGAIN_AFTER, apply_schedules, end_override, override_now

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def no_queue(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody takes the swaps up."""
    monkeypatch.setattr("transcription.swaps.requests.current_app.send_task", lambda *_args, **_options: None)


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


def asked(moment: str) -> list[tuple[str, str]]:
    """Model and reason of each swap that is asked for at `moment`."""
    return [(swap.to_name, swap.reason) for swap in apply_schedules(at(moment))]


def carry_out() -> None:
    """Every swap that waits succeeds."""
    for swap in ModelSwap.objects.exclude(state__in=ModelSwap.OVER):
        ModelRoute.objects.filter(swaps=swap).update(previous_model=F("model"), model=swap.to_model)
        ModelSwap.objects.filter(pk=swap.pk).update(state=ModelSwap.State.DONE, finished_at=NOON)


def a_night() -> ModelRoute:
    """Light by day, heavy from 20:00 to 08:00."""
    route = make_route("light")
    make_schedule(route, "heavy", "20:00-08:00")
    return route


def test_a_window_is_asked_for_at_its_boundary_and_once() -> None:
    a_night()

    assert asked("01-15T19:59:59") == []
    assert asked("01-15T20:00") == [("heavy", "schedule")]
    assert asked("01-15T20:00:02") == []
    carry_out()
    assert asked("01-15T20:00:30") == []


def test_at_its_end_the_usual_model_comes_back() -> None:
    a_night()
    asked("01-15T20:00")
    carry_out()

    assert asked("01-16T07:59:59") == []
    assert asked("01-16T08:00") == [("light", "schedule")]


@pytest.mark.parametrize(("moment", "model"), [("01-18T03:00", "heavy"), ("01-18T12:00", None)])
def test_after_a_downtime_what_is_due_then_is_asked_for(moment: str, model: str | None) -> None:
    a_night()

    assert asked(moment) == ([(model, "schedule")] if model else [])


def test_a_downtime_over_the_end_of_a_window_does_not_leave_its_model() -> None:
    a_night()
    asked("01-15T20:00")
    carry_out()

    assert asked("01-20T12:00") == [("light", "schedule")]


def test_a_route_that_is_not_in_service_is_left_alone() -> None:
    route = a_night()
    ModelRoute.objects.filter(pk=route.pk).update(is_enabled=False)

    assert asked("01-15T21:00") == []


def test_a_model_that_could_not_be_loaded_is_tried_again_later() -> None:
    a_night()
    asked("01-15T20:00")
    ModelSwap.objects.update(state=ModelSwap.State.FAILED, finished_at=at("01-15T20:01"))

    assert asked("01-15T20:02") == []
    assert apply_schedules(at("01-15T20:01") + TRY_AGAIN_AFTER)[0].to_name == "heavy"


def test_nothing_is_asked_for_while_another_swap_of_the_route_runs() -> None:
    route = a_night()
    ModelSwap.objects.create(route=route, to_model=make_model("other"), to_name="other", state=ModelSwap.State.LOADING)

    assert asked("01-15T20:00") == []


def test_a_model_that_cannot_serve_any_more_stops_no_other_route(caplog: pytest.LogCaptureFixture) -> None:
    a_night()
    make_model("heavy", is_enabled=False)
    other = make_route("light", language="de")
    make_schedule(other, "german", "20:00-08:00")

    assert asked("01-15T20:00") == [("german", "schedule")]
    assert "general/en cannot be given heavy: heavy is disabled" in caplog.text


def test_of_two_windows_the_one_with_the_higher_priority_is_asked_for() -> None:
    route = a_night()
    make_schedule(route, "party", "22:00-23:00", priority=1)
    asked("01-15T20:00")
    carry_out()

    assert asked("01-15T22:00") == [("party", "schedule")]
    carry_out()
    assert asked("01-15T23:00") == [("heavy", "schedule")]


def test_an_override_is_asked_for_at_once_and_says_who_wanted_it() -> None:
    route, alice = a_night(), make_user()

    swap = override_now(route, make_model("urgent"), None, by=alice, reason="The board meets.")

    assert swap is not None
    assert (swap.to_name, swap.reason, swap.by, swap.note) == ("urgent", "manual", alice, "The board meets.")


def test_when_an_override_is_over_the_schedule_counts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    route = a_night()
    monkeypatch.setattr("transcription.swaps.scheduling.timezone.now", lambda: at("01-15T20:30"))
    asked("01-15T20:00")
    carry_out()
    override_now(route, make_model("urgent"), at("01-15T21:30"))
    carry_out()

    assert asked("01-15T21:29:59") == []
    assert asked("01-15T21:30") == [("heavy", "schedule")]


def test_an_override_can_be_taken_back() -> None:
    route = make_route("light")
    override_now(route, make_model("urgent"), None)
    carry_out()

    swap = end_override(ModelRoute.objects.get(pk=route.pk))

    assert swap is not None
    assert swap.to_name == "light"


def test_an_override_that_would_be_over_is_refused() -> None:
    route = make_route("light")

    with pytest.raises(SwapRefused, match="which is over"):
        override_now(route, make_model("urgent"), datetime.now(UTC) - timedelta(minutes=1))

    assert not route.overrides.exists()


def test_an_override_with_a_model_that_does_not_know_the_language_is_refused() -> None:
    route = make_route("light")

    with pytest.raises(SwapRefused, match="knows de, not en"):
        override_now(route, make_model("german", languages=["de"]), None)

    assert not route.overrides.exists()
