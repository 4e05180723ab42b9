"""Two models for a route, and its language model: chosen in the admin site, loaded when the route is saved, shown on its page."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import make_model, make_route
from transcription.models import ApiKey, ASRModel, ModelRoute, ModelSwap

pytestmark = pytest.mark.django_db
BASE = "/admin/transcription/modelroute"
FIELDS = {"scenario": "general", "language": "", "fallback_above_ms": "600", "fallback_below_ms": "200", "is_enabled": "on"}
Reason, State = ModelSwap.Reason, ModelSwap.State


@pytest.fixture(autouse=True)
def nobody_takes_swaps_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcription.swaps.requests.current_app.send_task", lambda *_args, **_options: None)


@pytest.fixture(autouse=True)
def clinic(settings: Any, tmp_path: Path) -> None:
    """A language model."""
    settings.HARK_LM_DIR = tmp_path
    (tmp_path / "clinic").mkdir()
    (tmp_path / "clinic" / "lm.json").write_text("{}")
    (tmp_path / "half-built").mkdir()


@pytest.fixture
def fast(db: None) -> ASRModel:
    return make_model("fast")


@pytest.fixture
def route(db: None) -> ModelRoute:
    make_model("accurate", engine="conformer_ctc")
    return make_route("accurate", "")


def save(site: Client, route: ModelRoute, **changes: Any) -> str:
    """The page that follows, with its messages, or the form with what is wrong."""
    return site.post(f"{BASE}/{route.pk}/change/", FIELDS | changes, follow=True).content.decode()


def test_a_model_of_partial_texts_is_loaded_when_the_route_is_saved(
    site: Client, root: User, route: ModelRoute, fast: ASRModel
) -> None:
    page = save(site, route, partial_model=fast.pk)

    swap = ModelSwap.objects.get()
    assert (swap.to_name, swap.reason, swap.by) == ("fast", Reason.RESTORE, root)
    assert "fast is loaded and tried now for the partial texts of general/*." in page
    assert "Partial texts: fast" in page


def test_one_that_could_not_be_loaded_is_told_of(site: Client, route: ModelRoute, fast: ASRModel) -> None:
    save(site, route, partial_model=fast.pk)
    ModelSwap.objects.update(state=State.FAILED, error="inference-0: it heard nonsense.")

    assert "The model of partial texts fast is not ready." in site.get(f"{BASE}/{route.pk}/change/").content.decode()


def test_the_routes_own_model_is_no_other_one(site: Client, route: ModelRoute) -> None:
    page = save(site, route, partial_model=route.model_id)

    assert "choose a faster one, or none" in page.replace("&#x27;", "'")
    assert not ModelRoute.objects.exclude(partial_model=None).exists()


def test_a_model_that_does_not_know_the_language_writes_no_partial_texts(site: Client, route: ModelRoute) -> None:
    german = make_model("german", languages=["de"])

    assert "german knows de, not fr" in save(site, route, language="fr", partial_model=german.pk)


def test_a_language_model_is_chosen_among_those_that_there_are(site: Client, route: ModelRoute) -> None:
    form = site.get(f"{BASE}/{route.pk}/change/").context["adminform"].form
    assert [name for name, _label in form.fields["language_model"].choices] == ["", "clinic", "none"]

    assert "Language model: clinic" in save(site, route, language_model="clinic")
    save(site, route, language_model="half-built")

    assert ModelRoute.objects.get().language_model == "clinic"


def test_a_route_whose_model_makes_no_use_of_language_models_gets_none(site: Client, route: ModelRoute) -> None:
    make_model("accurate", engine="conformer_rnnt")

    page = save(site, route, language_model="clinic")

    assert "accurate makes no use of language models: choose none here." in page
    assert ModelRoute.objects.get().language_model == ""


def test_one_that_was_given_before_another_model_came_is_in_nobodys_way(site: Client, route: ModelRoute) -> None:
    ModelRoute.objects.update(language_model="clinic")
    make_model("accurate", engine="conformer_rnnt")

    save(site, route, language_model="clinic", fallback_above_ms="700")

    assert ModelRoute.objects.get().fallback_above_ms == 700


def test_one_that_is_gone_can_be_kept_and_left(site: Client, route: ModelRoute) -> None:
    ModelRoute.objects.update(language_model="gone")

    save(site, route, language_model="gone")
    assert ModelRoute.objects.get().language_model == "gone"
    save(site, route, language_model="")
    assert ModelRoute.objects.get().language_model == ""


def test_an_api_key_is_made_with_a_language_model(site: Client, root: User) -> None:
    given = {"owner": root.pk, "name": "phone gateway", "scopes": ["stream"], "language_model": "clinic"}

    site.post("/admin/transcription/apikey/add/", given)

    assert ApiKey.objects.get().language_model == "clinic"
