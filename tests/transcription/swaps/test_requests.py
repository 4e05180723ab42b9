"""Wishes for another model: what is accepted, what is refused with a sentence, and what becomes of several."""

import pytest
from django.contrib.auth.models import User
from kombu.exceptions import OperationalError
from pytest_django import DjangoCaptureOnCommitCallbacks

from transcription.models import ASRModel, ModelRoute, ModelSwap
from transcription.swaps import SwapRefused, request_beside, request_rollback, request_swap

Reason, State = ModelSwap.Reason, ModelSwap.State


def test_a_wish_says_who_why_from_and_to_and_is_handed_to_a_worker(
    route: ModelRoute,
    heavy: ASRModel,
    alice: User,
    sent: list[int],
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with django_capture_on_commit_callbacks(execute=True):
        swap = request_swap(route, heavy, Reason.MANUAL, by=alice, note="quieter night")

    swap.refresh_from_db()
    assert (swap.from_name, swap.to_name, swap.route_name) == ("light", "heavy", "general/en")
    assert (swap.by, swap.reason, swap.note, swap.state) == (alice, "manual", "quieter night", "waiting")
    assert sent == [swap.pk]


def test_nothing_changes_before_the_swap_is_carried_out(route: ModelRoute, light: ASRModel, heavy: ASRModel) -> None:
    request_swap(route, heavy, Reason.MANUAL)

    route.refresh_from_db()
    assert (route.model, route.previous_model) == (light, None)


def test_a_model_that_is_disabled_is_refused(route: ModelRoute, heavy: ASRModel) -> None:
    heavy.is_enabled = False

    with pytest.raises(SwapRefused, match="heavy is disabled in the catalogue"):
        request_swap(route, heavy, Reason.MANUAL)
    assert not ModelSwap.objects.exists()


def test_a_model_that_does_not_know_the_language_is_refused(light: ASRModel, heavy: ASRModel) -> None:
    german = ModelRoute.objects.create(language="de", model=heavy)

    with pytest.raises(SwapRefused, match="light knows en, not de"):
        request_swap(german, light, Reason.MANUAL)


def test_the_model_that_serves_already_is_refused(route: ModelRoute, light: ASRModel) -> None:
    with pytest.raises(SwapRefused, match="serves general/en already"):
        request_swap(route, light, Reason.SCHEDULE)


def test_a_route_that_is_not_in_service_may_be_given_its_own_model(route: ModelRoute, light: ASRModel) -> None:
    route.is_enabled = False
    route.save()

    swap = request_swap(route, light, Reason.MANUAL)

    assert (swap.from_name, swap.to_name) == ("", "light")


def test_the_same_wish_twice_is_one_swap(route: ModelRoute, heavy: ASRModel) -> None:
    assert request_swap(route, heavy, Reason.MANUAL) == request_swap(route, heavy, Reason.SCHEDULE)


def test_a_later_wish_takes_the_place_of_one_that_was_not_begun(route: ModelRoute, heavy: ASRModel) -> None:
    early = request_swap(route, heavy, Reason.MANUAL)
    third = ASRModel.objects.create(name="third", multilingual=True)

    late = request_swap(route, third, Reason.MANUAL)

    early.refresh_from_db()
    assert (early.state, late.state) == (State.FAILED, State.WAITING)
    assert "Another wish" in early.error


def test_a_wish_waits_for_a_swap_that_was_begun(route: ModelRoute, light: ASRModel, heavy: ASRModel) -> None:
    begun = request_swap(route, heavy, Reason.MANUAL)
    ModelSwap.objects.filter(pk=begun.pk).update(state=State.LOADING)

    back = request_swap(route, light, Reason.MANUAL)

    begun.refresh_from_db()
    assert (begun.state, back.state, back.to_name) == (State.LOADING, State.WAITING, "light")


def test_a_lighter_model_waits_behind_what_was_asked_for_before_and_drops_nothing(
    route: ModelRoute, light: ASRModel, heavy: ASRModel
) -> None:
    own = request_swap(route, heavy, Reason.MANUAL)
    route.fallback = light

    lighter = request_beside(route, route.fallback)

    own.refresh_from_db()
    assert lighter is not None
    assert (own.state, lighter.state, lighter.from_name) == (State.WAITING, State.WAITING, "")
    assert request_beside(route, route.fallback) == lighter


def test_a_route_without_a_lighter_model_asks_for_none(route: ModelRoute) -> None:
    assert request_beside(route, route.fallback) is None


def test_who_wants_the_lighter_model_for_good_gets_a_swap_of_their_own(route: ModelRoute, heavy: ASRModel) -> None:
    route.fallback = heavy
    lighter = request_beside(route, route.fallback)

    swap = request_swap(route, heavy, Reason.MANUAL)

    assert swap != lighter
    assert (swap.from_name, swap.to_name) == ("light", "heavy")
    assert ModelSwap.objects.open().count() == 2


def test_the_model_that_serves_is_refused_also_while_the_lighter_one_is_loaded(
    route: ModelRoute, light: ASRModel, heavy: ASRModel
) -> None:
    route.fallback = heavy
    request_beside(route, route.fallback)

    with pytest.raises(SwapRefused, match="serves general/en already"):
        request_swap(route, light, Reason.MANUAL)


def test_going_back_asks_for_the_model_before(route: ModelRoute, heavy: ASRModel, alice: User) -> None:
    route.previous_model = heavy
    route.save()

    swap = request_rollback(route, by=alice)

    assert (swap.to_model, swap.reason, swap.by) == (heavy, Reason.ROLLBACK, alice)


def test_going_back_to_nothing_is_refused(route: ModelRoute) -> None:
    with pytest.raises(SwapRefused, match="no other model that it could go back to"):
        request_rollback(route)


def test_a_wish_is_kept_while_the_queue_is_away(
    route: ModelRoute,
    heavy: ASRModel,
    monkeypatch: pytest.MonkeyPatch,
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise OperationalError("nobody listens")

    monkeypatch.setattr("transcription.swaps.requests.current_app.send_task", refuse)
    with django_capture_on_commit_callbacks(execute=True):
        swap = request_swap(route, heavy, Reason.MANUAL)

    swap.refresh_from_db()
    assert swap.state == State.WAITING
