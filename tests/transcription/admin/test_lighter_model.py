"""The lighter model of a route: loaded and tried when the route is saved, and whoever saved it sees how that ends."""

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import make_model, make_route
from transcription.models import ASRModel, ModelRoute, ModelSwap

pytestmark = pytest.mark.django_db
BASE = "/admin/transcription/modelroute"
FIELDS = {"scenario": "general", "language": "", "fallback_above_ms": "600", "fallback_below_ms": "200"}
Reason, State = ModelSwap.Reason, ModelSwap.State


@pytest.fixture(autouse=True)
def nobody_takes_swaps_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcription.swaps.requests.current_app.send_task", lambda *_args, **_options: None)


@pytest.fixture
def light(db: None) -> ASRModel:
    return make_model("light")


@pytest.fixture
def route(db: None) -> ModelRoute:
    return make_route("heavy", "")


def save(site: Client, route: ModelRoute, **changes: Any) -> str:
    """The page that follows, with its messages."""
    fields = FIELDS | {"is_enabled": "on"} | changes
    response = site.post(f"{BASE}/{route.pk}/change/", fields, follow=True)
    assert response.redirect_chain, response.context["adminform"].form.errors
    return response.content.decode()


def wishes() -> list[tuple[str, str]]:
    return [(swap.to_name, swap.reason) for swap in ModelSwap.objects.order_by("pk")]


def test_saving_a_lighter_model_asks_for_it_at_once_and_shows_how_it_gets_on(
    site: Client, root: User, route: ModelRoute, light: ASRModel
) -> None:
    page = save(site, route, fallback=light.pk)

    swap = ModelSwap.objects.get()
    assert (swap.to_name, swap.reason, swap.by, swap.from_name) == ("light", Reason.RESTORE, root, "")
    assert "light is loaded and tried now as the lighter model of general/*." in page
    assert f"{BASE.replace('modelroute', 'modelswap')}/{swap.pk}/progress/" in page


def test_a_lighter_model_that_stays_as_it_was_is_not_asked_for_again(site: Client, route: ModelRoute, light: ASRModel) -> None:
    ModelRoute.objects.update(fallback=light)

    save(site, route, fallback=light.pk, fallback_above_ms="900")

    assert wishes() == []


def test_a_new_route_gets_its_own_model_first_and_then_the_lighter_one(site: Client, route: ModelRoute, light: ASRModel) -> None:
    heavy = ASRModel.objects.get(name="heavy")
    new = FIELDS | {"scenario": "telephony", "model": heavy.pk, "fallback": light.pk, "is_enabled": "on"}

    site.post(f"{BASE}/add/", new)

    assert wishes() == [("heavy", "manual"), ("light", "restore")]
    assert not ModelSwap.objects.exclude(state=State.WAITING).exists()


def test_a_route_out_of_service_needs_no_lighter_model_until_it_is_put_into_service(
    site: Client, route: ModelRoute, light: ASRModel
) -> None:
    ModelRoute.objects.update(is_enabled=False)
    save(site, route, fallback=light.pk, is_enabled="")
    assert wishes() == []

    save(site, route, fallback=light.pk)

    assert wishes() == [("heavy", "manual"), ("light", "restore")]


def test_a_lighter_model_that_could_not_be_loaded_is_told_of_until_it_can(
    site: Client, route: ModelRoute, light: ASRModel
) -> None:
    save(site, route, fallback=light.pk)
    ModelSwap.objects.update(state=State.FAILED, error="inference-0: it heard nonsense.")

    page = site.get(f"{BASE}/{route.pk}/change/").content.decode()
    assert "The lighter model light is not ready." in page
    assert "it heard nonsense." in page

    ModelSwap.objects.create(route=route, to_model=light, to_name="light", state=State.DONE, reason=Reason.RESTORE)
    assert "is not ready" not in site.get(f"{BASE}/{route.pk}/change/").content.decode()


def test_a_swap_that_failed_for_another_reason_says_nothing_of_the_lighter_model(
    site: Client, route: ModelRoute, light: ASRModel
) -> None:
    ModelRoute.objects.update(fallback=light)
    ModelSwap.objects.create(route=route, to_model=light, to_name="light", state=State.FAILED, error="No clip in German.")

    assert "is not ready" not in site.get(f"{BASE}/{route.pk}/change/").content.decode()


def test_without_a_fault_nothing_is_said_to_be_not_ready(site: Client, route: ModelRoute, light: ASRModel) -> None:
    page = save(site, route, fallback=light.pk)

    assert "is not ready" not in page
