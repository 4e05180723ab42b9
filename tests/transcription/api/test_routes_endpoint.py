"""GET routes/: which model serves which scenario and language, and what comes next."""

from datetime import UTC, datetime

import pytest
from django.test import Client
from django.utils import timezone

from tests.factories import make_model, make_route, make_schedule, make_user
from transcription.models import ModelRoute

pytestmark = pytest.mark.django_db
ADDRESS = "/api/v1/routes/"
NOON = datetime(2026, 1, 15, 12, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def noon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcription.api.serving.timezone.now", lambda: NOON)


def test_a_route_says_what_serves_and_what_comes_next(client: Client) -> None:
    make_schedule(make_route("light", "en"), "heavy", "20:00-08:00")
    client.force_login(make_user())

    assert client.get(ADDRESS).json() == {
        "routes": [
            {
                "scenario": "general",
                "language": "en",
                "model": "light",
                "serving": "light",
                "partial_model": "",
                "language_model": "",
                "fallback": "",
                "next_model": "heavy",
                "next_at": "2026-01-15T20:00:00Z",
            }
        ]
    }


def test_a_route_with_too_much_to_do_says_that_its_lighter_model_serves(client: Client) -> None:
    make_route("heavy", "", fallback=make_model("light"), fallback_since=timezone.now())
    client.force_login(make_user())

    route = client.get(ADDRESS).json()["routes"][0]

    assert (route["model"], route["serving"], route["fallback"], route["next_model"], route["next_at"]) == (
        "heavy", "light", "light", "", None,
    )  # fmt: skip


def test_a_route_of_two_models_says_which_writes_partial_texts_and_with_which_language_model(client: Client) -> None:
    make_route("accurate", "", partial_model=make_model("fast"), language_model="clinic")
    client.force_login(make_user())

    route = client.get(ADDRESS).json()["routes"][0]

    assert (route["serving"], route["partial_model"], route["language_model"]) == ("accurate", "fast", "clinic")


def test_routes_out_of_service_are_not_listed(client: Client) -> None:
    ModelRoute.objects.filter(pk=make_route("light").pk).update(is_enabled=False)
    client.force_login(make_user())

    assert client.get(ADDRESS).json() == {"routes": []}


def test_strangers_do_not_see_the_routes(client: Client) -> None:
    response = client.get(ADDRESS)

    assert (response.status_code, response.json()["error"]["code"]) == (401, "not_authenticated")
