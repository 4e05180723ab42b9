"""What the plan of a route is, what a change by hand does to it, and the lighter model: written once, however many ask."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.factories import make_model, make_route, make_schedule, make_user
from transcription.models import ModelRoute, ModelSwap
from transcription.schedules import due_at
from transcription.serving.choices import come_back, end_overrides, fall_back, override_route, plan_of, settle_choice

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)
Reason = ModelSwap.Reason


def due(route: ModelRoute, hours: float = 0) -> str:
    moment = NOON + timedelta(hours=hours)
    return due_at(plan_of(ModelRoute.objects.get(pk=route.pk), moment), moment).model


def swapped(route: ModelRoute, model: str, reason: str, hours: float = 0) -> None:
    """As when a swap has given the route `model`."""
    route.model = make_model(model)
    route.save()
    swap = ModelSwap(route=route, to_model=route.model, to_name=model, reason=reason, note="why", by=make_user(f"by-{model}"))
    settle_choice(route, swap, NOON + timedelta(hours=hours))


def test_a_route_alone_has_its_model() -> None:
    assert due(make_route("light")) == "light"


def test_disabled_windows_count_for_nothing() -> None:
    route = make_route("light")
    make_schedule(route, "heavy", "11:00-13:00", is_enabled=False)

    assert due(route) == "light"


def test_a_model_by_hand_is_the_usual_one_from_then_on() -> None:
    route = make_route("light")
    make_schedule(route, "night", "20:00-08:00")
    swapped(route, "better", Reason.MANUAL)

    assert [due(route, hours) for hours in (0, 9, 21)] == ["better", "night", "better"]


def test_a_model_by_hand_within_a_window_holds_until_the_window_ends() -> None:
    route = make_route("light")
    route.usual_model = route.model
    make_schedule(route, "noon", "11:00-13:00")
    swapped(route, "better", Reason.MANUAL)

    assert [due(route, hours) for hours in (0, 0.9, 1, 24)] == ["better", "better", "light", "noon"]
    override = route.overrides.get()
    assert (override.until_at, override.reason, str(override.by)) == (NOON + timedelta(hours=1), "why", "by-better")


def test_a_roll_back_within_a_window_is_a_choice_by_hand() -> None:
    route = make_route("light")
    route.usual_model = route.model
    make_schedule(route, "noon", "11:00-13:00")
    swapped(route, "light", Reason.ROLLBACK)

    assert [due(route, hours) for hours in (0, 24)] == ["light", "noon"]


@pytest.mark.parametrize("reason", [Reason.SCHEDULE, Reason.RESTORE, Reason.FALLBACK])
def test_what_no_hand_did_does_not_change_the_plan(reason: str) -> None:
    route = make_route("light")
    route.usual_model = route.model
    route.save()
    swapped(route, "heavy", reason)

    assert due(route) == "light"
    assert not route.overrides.exists()


def test_a_new_override_ends_the_one_before_and_leaves_those_to_come() -> None:
    route = make_route("light")
    override_route(route, make_model("tomorrow"), NOON + timedelta(days=1), NOON + timedelta(days=2))
    override_route(route, make_model("first"), NOON - timedelta(hours=1), None)
    override_route(route, make_model("second"), NOON, NOON + timedelta(hours=1))

    assert [due(route, hours) for hours in (-0.5, 0, 1, 25)] == ["first", "second", "light", "tomorrow"]


def test_an_override_that_is_taken_back_holds_no_more() -> None:
    route = make_route("light")
    override_route(route, make_model("asked"), NOON - timedelta(hours=1), None)

    assert end_overrides(route, NOON) == 1
    assert due(route) == "light"
    assert end_overrides(route, NOON) == 0


def test_one_of_many_web_processes_takes_the_lighter_model_and_one_comes_back() -> None:
    route = make_route("heavy", fallback=make_model("light"))

    assert [fall_back(route.pk, "late") for _process in range(3)] == [True, False, False]
    assert [come_back(route.pk, "in time") for _process in range(3)] == [True, False, False]
    assert [(swap.reason, swap.from_name, swap.to_name, swap.note, swap.state) for swap in route.swaps.order_by("pk")] == [
        ("fallback", "heavy", "light", "late", "done"),
        ("restore", "light", "heavy", "in time", "done"),
    ]


def test_a_route_without_a_lighter_model_does_not_change() -> None:
    assert not fall_back(make_route("heavy").pk, "late")
