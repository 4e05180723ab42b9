"""Models, routes, schedules and swaps in the admin site: what each page shows, what each form refuses, and who may do what."""

import json
import re
from collections.abc import Callable
from datetime import time, timedelta
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Group, User
from django.test import Client
from django.utils import timezone

from tests.factories import make_user
from transcription.models import ASRModel, ModelRoute, ModelSchedule, ModelSwap, RouteOverride

pytestmark = pytest.mark.django_db
BASE = "/admin/transcription"
Reason, State = ModelSwap.Reason, ModelSwap.State
EVERY_DAY = list(range(7))


@pytest.fixture(autouse=True)
def nobody_takes_swaps_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transcription.swaps.requests.current_app.send_task", lambda *_args, **_options: None)


@pytest.fixture
def groups() -> None:
    """As the migration makes them; tests that empty all tables take them away."""
    import_module("transcription.migrations.0006_roles").make_groups(apps, None)


@pytest.fixture
def light() -> ASRModel:
    return ASRModel.objects.create(name="light", languages=["en"], precision="int8", memory_bytes=90_000_000, rtf=0.1, wer=0.061)


@pytest.fixture
def heavy() -> ASRModel:
    return ASRModel.objects.create(name="heavy", multilingual=True)


@pytest.fixture
def route(light: ASRModel) -> ModelRoute:
    return ModelRoute.objects.create(language="en", model=light)


@pytest.fixture
def night(route: ModelRoute, heavy: ASRModel) -> ModelSchedule:
    return ModelSchedule.objects.create(route=route, model=heavy, days=EVERY_DAY, starts=time(20), ends=time(6))


@pytest.fixture
def member(groups: None) -> Callable[[str], Client]:
    """Somebody of a group, signed in."""

    def sign_in(group: str) -> Client:
        user = make_user(f"a-{group}", is_staff=True)
        user.groups.add(Group.objects.get(name=group))
        client = Client()
        client.force_login(user)
        return client

    return sign_in


def text_of(site: Client, address: str) -> str:
    response = site.get(address)
    assert response.status_code == 200
    return response.content.decode()


def window(route: ModelRoute, model: ASRModel, **changes: Any) -> dict[str, Any]:
    """Fields of the form of a window."""
    fields = {
        "route": route.pk,
        "model": model.pk,
        "is_enabled": "on",
        "days": EVERY_DAY,
        "starts": "08:00",
        "ends": "10:00",
        "time_zone": "Europe/Berlin",
        "priority": "0",
    }
    return fields | changes


# --- The first page -----------------------------------------------------------------------------------------------------


def test_the_first_page_says_what_serves_and_what_comes_next(site: Client, route: ModelRoute, night: ModelSchedule) -> None:
    ModelSchedule.objects.update(time_zone="Asia/Tokyo")

    page = text_of(site, "/admin/")

    assert "general/en" in page
    assert re.search(r"(heavy|light) from \w+day (20|06):00 on \(Asia/Tokyo\)", page)


def test_the_first_page_shows_running_swaps_and_recent_failures(site: Client, route: ModelRoute) -> None:
    ModelSwap.objects.create(route=route, route_name="general/en", to_name="heavy", state=State.LOADING)
    ModelSwap.objects.create(to_name="worse", state=State.FAILED, error="It heard nonsense.", finished_at=timezone.now())
    ModelSwap.objects.create(to_name="old", state=State.FAILED, error="Too late.", finished_at=timezone.now() - timedelta(days=2))

    page = text_of(site, "/admin/")

    assert "data-swap-url" in page
    assert "It heard nonsense." in page
    assert "Too late." not in page


def test_a_failure_after_which_all_was_well_is_not_shown_any_more(site: Client, route: ModelRoute) -> None:
    now = timezone.now()
    ModelSwap.objects.create(route=route, to_name="worse", state=State.FAILED, error="It heard nonsense.", finished_at=now)
    ModelSwap.objects.create(route=route, to_name="heavy", state=State.DONE, finished_at=now)

    assert "It heard nonsense." not in text_of(site, "/admin/")


def test_without_routes_the_first_page_says_what_serves_then(site: Client) -> None:
    assert "There is no route yet" in text_of(site, "/admin/")


# --- Routes -------------------------------------------------------------------------------------------------------------


def test_a_new_route_goes_into_service_by_a_swap_to_its_model(site: Client, root: User, heavy: ASRModel) -> None:
    fields = {"scenario": "telephony", "language": "", "model": heavy.pk, "is_enabled": "on"}

    response = site.post(f"{BASE}/modelroute/add/", fields | {"fallback_above_ms": "1500", "fallback_below_ms": "300"})

    route = ModelRoute.objects.get()
    assert response.status_code == 302
    assert not route.is_enabled
    swap = ModelSwap.objects.get()
    assert (swap.route, swap.to_model, swap.by, swap.from_name) == (route, heavy, root, "")


def test_a_route_needs_a_model(site: Client) -> None:
    response = site.post(f"{BASE}/modelroute/add/", {"scenario": "general", "language": ""})

    assert "model" in response.context["adminform"].form.errors
    assert not ModelRoute.objects.exists()


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"language": "klingon speech"}, "language"),
        ({"language": "de"}, "model"),
        ({"fallback": "own"}, "fallback"),
        ({"fallback_below_ms": "2000"}, "__all__"),
        ({"scenario": "Kundendienst!"}, "scenario"),
    ],
)
def test_a_route_that_cannot_work_is_refused(site: Client, light: ASRModel, changes: dict[str, str], field: str) -> None:
    fields: dict[str, Any] = {"scenario": "general", "language": "en", "model": light.pk, "is_enabled": "on"}
    fields |= {"fallback_above_ms": "1500", "fallback_below_ms": "300"} | changes
    fields |= {"fallback": light.pk} if changes.get("fallback") == "own" else {}

    response = site.post(f"{BASE}/modelroute/add/", fields)

    assert response.status_code == 200
    assert field in response.context["adminform"].form.errors
    assert not ModelRoute.objects.exists()


def test_the_model_of_a_route_is_changed_by_a_swap_and_not_by_its_form(site: Client, route: ModelRoute, heavy: ASRModel) -> None:
    fields = {"scenario": "general", "language": "en", "model": heavy.pk, "is_enabled": "on"}

    site.post(f"{BASE}/modelroute/{route.pk}/change/", fields | {"fallback_above_ms": "900", "fallback_below_ms": "300"})

    route.refresh_from_db()
    assert (route.model.name, route.fallback_above_ms, route.is_enabled) == ("light", 900, True)
    assert not ModelSwap.objects.exists()


def test_a_route_that_was_given_its_lighter_model_can_still_be_edited(site: Client, route: ModelRoute, light: ASRModel) -> None:
    ModelRoute.objects.update(fallback=light)
    fields = {"scenario": "telephony", "language": "en", "fallback": light.pk, "is_enabled": "on"}

    response = site.post(
        f"{BASE}/modelroute/{route.pk}/change/", fields | {"fallback_above_ms": "900", "fallback_below_ms": "300"}
    )

    assert response.status_code == 302, dict(response.context["adminform"].form.errors)
    assert ModelRoute.objects.get().scenario == "telephony"


def test_another_model_is_asked_for_with_a_reason(site: Client, root: User, route: ModelRoute, heavy: ASRModel) -> None:
    response = site.post(f"{BASE}/modelroute/{route.pk}/model/", {"model": heavy.pk, "until": "", "note": "quieter"})

    swap = ModelSwap.objects.get()
    assert response["Location"] == f"{BASE}/modelswap/{swap.pk}/change/"
    assert (swap.to_model, swap.by, swap.note, swap.reason) == (heavy, root, "quieter", Reason.MANUAL)
    assert "Asked for heavy" in LogEntry.objects.get().get_change_message()


def test_another_model_until_a_time_stands_above_the_schedule(
    site: Client, root: User, route: ModelRoute, heavy: ASRModel
) -> None:
    until = timezone.localtime(timezone.now() + timedelta(hours=2)).replace(second=0, microsecond=0)

    site.post(f"{BASE}/modelroute/{route.pk}/model/", {"model": heavy.pk, "until": f"{until:%Y-%m-%dT%H:%M}", "note": ""})

    override = RouteOverride.objects.get()
    assert (override.model, override.until_at, override.by) == (heavy, until, root)
    assert ModelSwap.objects.get().to_model == heavy


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [({"until": "2020-01-01T10:00"}, "This time is over"), ({"model": ""}, "required"), ({"until": "soon"}, "valid date")],
)
def test_a_change_that_makes_no_sense_is_refused(
    site: Client, route: ModelRoute, heavy: ASRModel, fields: dict[str, str], complaint: str
) -> None:
    response = site.post(f"{BASE}/modelroute/{route.pk}/model/", {"model": heavy.pk, "until": "", "note": ""} | fields)

    assert complaint in response.content.decode()
    assert not ModelSwap.objects.exists()


def test_one_click_asks_for_the_model_before(site: Client, route: ModelRoute, heavy: ASRModel) -> None:
    ModelRoute.objects.update(previous_model=heavy)

    assert site.get(f"{BASE}/modelroute/{route.pk}/back/").status_code == 405
    response = site.post(f"{BASE}/modelroute/{route.pk}/back/")

    swap = ModelSwap.objects.get()
    assert (swap.to_model, swap.reason) == (heavy, Reason.ROLLBACK)
    assert response["Location"] == f"{BASE}/modelswap/{swap.pk}/change/"


def test_going_back_to_nothing_is_answered_with_a_sentence(site: Client, route: ModelRoute) -> None:
    response = site.post(f"{BASE}/modelroute/{route.pk}/back/", follow=True)

    assert "no other model that it could go back to" in response.content.decode()


def test_a_wish_is_shown_and_taken_back(site: Client, root: User, route: ModelRoute, heavy: ASRModel) -> None:
    RouteOverride.objects.create(
        route=route, model=heavy, by=root, reason="trade fair", from_at=timezone.now() - timedelta(hours=1)
    )
    page = text_of(site, f"{BASE}/modelroute/{route.pk}/change/")
    assert "heavy stands above the schedule until it is taken back." in page
    assert "trade fair" in page

    site.post(f"{BASE}/modelroute/{route.pk}/schedule/")

    override = RouteOverride.objects.get()
    assert override.until_at is not None
    assert override.until_at <= timezone.now()


# --- Models -------------------------------------------------------------------------------------------------------------


def test_the_catalogue_shows_what_helps_to_choose(site: Client, route: ModelRoute) -> None:
    page = text_of(site, f"{BASE}/asrmodel/")

    assert all(words in page for words in ("light", "int8", "10.0×", "6.1%", "general/en"))


@pytest.mark.parametrize("need", ["model", "fallback", "schedule", "override"])
def test_a_model_that_a_route_needs_is_not_disabled(site: Client, route: ModelRoute, heavy: ASRModel, need: str) -> None:
    if need == "schedule":
        ModelSchedule.objects.create(route=route, model=heavy, days=[0], starts=time(1), ends=time(2))
    elif need == "override":
        RouteOverride.objects.create(route=route, model=heavy, until_at=timezone.now() + timedelta(hours=1))
    else:
        ModelRoute.objects.update(**{need: heavy})

    response = site.post(f"{BASE}/asrmodel/{heavy.pk}/change/", {})

    assert "heavy is needed by general/en" in response.content.decode()
    heavy.refresh_from_db()
    assert heavy.is_enabled


def test_a_model_that_nobody_needs_is_disabled(site: Client, route: ModelRoute, heavy: ASRModel) -> None:
    RouteOverride.objects.create(
        route=route, model=heavy, from_at=timezone.now() - timedelta(hours=2), until_at=timezone.now() - timedelta(hours=1)
    )

    assert site.post(f"{BASE}/asrmodel/{heavy.pk}/change/", {}).status_code == 302
    heavy.refresh_from_db()
    assert not heavy.is_enabled


# --- Schedules ----------------------------------------------------------------------------------------------------------


def test_a_window_is_saved_with_its_days(site: Client, route: ModelRoute, heavy: ASRModel) -> None:
    response = site.post(f"{BASE}/modelschedule/add/", window(route, heavy, days=[0, 4]))

    assert response.status_code == 302, response.content.decode()
    saved = ModelSchedule.objects.get()
    assert (saved.days, saved.starts, saved.ends, saved.time_zone) == ([0, 4], time(8), time(10), "Europe/Berlin")


@pytest.mark.parametrize(
    ("changes", "complaint"),
    [
        ({"time_zone": "Europe/Berln"}, "Did you mean Europe/Berlin"),
        ({"days": []}, "The window has no day."),
        ({"starts": "10:00"}, "From 10:00 to 10:00 is nothing."),
        ({"starts": "25:00"}, "Enter a valid time."),
        ({"starts": "19:00", "ends": "21:00", "model": "light"}, "the window 20:00–06:00 holds too, with the same priority"),
    ],
)
def test_a_window_that_makes_no_sense_is_refused_with_a_sentence(
    site: Client, night: ModelSchedule, light: ASRModel, changes: dict[str, Any], complaint: str
) -> None:
    model = light if changes.get("model") == "light" else night.model
    fields = window(night.route, model, time_zone="UTC") | {key: value for key, value in changes.items() if key != "model"}

    response = site.post(f"{BASE}/modelschedule/add/", fields)

    assert complaint in response.content.decode()
    assert ModelSchedule.objects.count() == 1


@pytest.mark.parametrize("changes", [{"priority": "1"}, {"is_enabled": ""}])
def test_windows_may_meet_where_it_is_clear_which_counts(
    site: Client, night: ModelSchedule, light: ASRModel, changes: dict[str, Any]
) -> None:
    fields = window(night.route, light, starts="19:00", ends="21:00", time_zone="UTC") | changes

    assert site.post(f"{BASE}/modelschedule/add/", fields).status_code == 302


def test_a_window_does_not_contradict_itself_when_it_is_changed(site: Client, night: ModelSchedule, light: ASRModel) -> None:
    fields = window(night.route, light, starts="19:00", ends="21:00", time_zone="UTC")

    assert site.post(f"{BASE}/modelschedule/{night.pk}/change/", fields).status_code == 302


def test_while_a_window_is_filled_in_its_week_and_its_conflicts_are_told(
    site: Client, night: ModelSchedule, light: ASRModel
) -> None:
    fields = window(night.route, light, starts="19:00", ends="21:00", time_zone="UTC")

    answer = json.loads(site.post(f"{BASE}/modelschedule/check/", fields).content)

    assert "holds too, with the same priority" in answer["complaints"][0]
    assert all(day["conflicts"] for day in answer["week"]["days"])
    assert ModelSchedule.objects.count() == 1


def test_the_week_of_a_window_that_is_changed_holds_it_once(site: Client, night: ModelSchedule) -> None:
    fields = window(night.route, night.model, starts="22:00", ends="23:00", time_zone="UTC", schedule=night.pk)

    answer = json.loads(site.post(f"{BASE}/modelschedule/check/", fields).content)

    assert answer["complaints"] == []
    heavy = [bar for bar in answer["week"]["days"][1]["bars"] if bar["model"] == "heavy"]
    assert [(bar["left"], bar["title"]) for bar in heavy] == [(pytest.approx(100 * 22 / 24, abs=0.01), "22:00–23:00 heavy")]


def test_half_a_window_has_no_week_yet(site: Client, route: ModelRoute) -> None:
    answer = json.loads(site.post(f"{BASE}/modelschedule/check/", {"route": route.pk}).content)

    assert answer["week"] is None
    assert any(sentence.startswith("Model: ") for sentence in answer["complaints"])


def test_the_week_of_all_routes_is_one_page(site: Client, night: ModelSchedule, heavy: ASRModel) -> None:
    ModelRoute.objects.create(scenario="telephony", model=heavy)

    page = text_of(site, f"{BASE}/modelschedule/week/")

    assert page.count("hark-day-name") == 14
    assert "20:00–00:00 heavy" in page


# --- Swaps --------------------------------------------------------------------------------------------------------------


def test_a_running_swap_tells_its_progress_again_and_again(site: Client, route: ModelRoute) -> None:
    steps = [
        {"at": "2026-11-23T10:00:00+00:00", "worker": "", "stage": "checking", "detail": ""},
        {"at": "2026-11-23T10:00:01+00:00", "worker": "", "stage": "loading", "detail": ""},
        {"at": "2026-11-23T10:00:02+00:00", "worker": "inference-0", "stage": "warming", "detail": "half way"},
    ]
    swap = ModelSwap.objects.create(route=route, route_name="general/en", to_name="heavy", state=State.LOADING, progress=steps)

    told = json.loads(site.get(f"{BASE}/modelswap/{swap.pk}/progress/").content)

    assert (told["state"], told["is_over"]) == ("loading", False)
    assert [stage["status"] for stage in told["stages"]] == ["done", "now", "todo", "todo", "todo", "todo"]
    assert told["steps"][2] | {"time": ""} == {
        "at": "2026-11-23T10:00:02+00:00",
        "time": "",
        "worker": "inference-0",
        "stage": "Warming up",
        "detail": "half way",
    }


def test_a_failed_swap_says_where_and_why(site: Client) -> None:
    steps = [{"at": "2026-11-23T10:00:00+00:00", "worker": "", "stage": stage, "detail": ""} for stage in ("checking", "failed")]
    swap = ModelSwap.objects.create(to_name="heavy", state=State.FAILED, progress=steps, error="No memory.", duration_ms=61_000)

    told = json.loads(site.get(f"{BASE}/modelswap/{swap.pk}/progress/").content)

    assert [stage["status"] for stage in told["stages"]][:2] == ["failed", "todo"]
    assert (told["error"], told["tone"], told["lasted"], told["is_over"]) == ("No memory.", "danger", "1:01", True)


def test_the_log_of_swaps_says_who_when_why_and_how_it_ended(site: Client, root: User) -> None:
    ModelSwap.objects.create(
        route_name="general/en", from_name="light", to_name="heavy", by=root, reason=Reason.ROLLBACK, state=State.DONE
    )

    page = text_of(site, f"{BASE}/modelswap/")

    assert all(words in page for words in ("general/en", "light → heavy", "root", "roll-back", "done"))


@pytest.mark.parametrize("action", ["add/", "{pk}/change/", "{pk}/delete/"])
def test_nobody_writes_the_record_of_swaps(site: Client, action: str) -> None:
    swap = ModelSwap.objects.create(to_name="heavy", state=State.DONE)

    assert site.post(f"{BASE}/modelswap/{action.format(pk=swap.pk)}", {"post": "yes"}).status_code == 403
    assert ModelSwap.objects.get().to_name == "heavy"


# --- Who may what -------------------------------------------------------------------------------------------------------

PAGES = ["asrmodel/", "modelroute/", "modelschedule/", "modelschedule/week/", "modelswap/", "routeoverride/"]
PRIVATE_PAGES = ["transcription/session/", "transcription/apikey/", "auth/user/", "django_celery_beat/periodictask/"]


@pytest.mark.parametrize("page", PAGES)
def test_a_viewer_sees_what_serves(member: Callable[[str], Client], route: ModelRoute, night: ModelSchedule, page: str) -> None:
    assert member("viewer").get(f"{BASE}/{page}").status_code == 200


@pytest.mark.parametrize("deed", ["modelroute/{route}/model/", "modelroute/{route}/back/", "modelroute/{route}/schedule/"])
@pytest.mark.parametrize(("group", "is_allowed"), [("viewer", False), ("operator", True), ("administrator", True)])
def test_only_operators_and_administrators_change_models(
    member: Callable[[str], Client], route: ModelRoute, deed: str, group: str, is_allowed: bool
) -> None:
    response = member(group).post(f"{BASE}/{deed.format(route=route.pk)}", {})

    assert (response.status_code != 403) == is_allowed


def test_a_viewer_is_offered_nothing_to_change(member: Callable[[str], Client], route: ModelRoute, heavy: ASRModel) -> None:
    ModelRoute.objects.update(previous_model=heavy)

    page = text_of(member("viewer"), f"{BASE}/modelroute/{route.pk}/change/")

    assert "general/en" in page
    assert "Change model" not in page
    assert "Back to heavy" not in page


@pytest.mark.parametrize("group", ["viewer", "operator"])
@pytest.mark.parametrize(
    "page", ["transcription/session/", "transcription/apikey/", "auth/user/", "django_celery_beat/periodictask/"]
)
def test_transcripts_people_and_keys_are_the_administrators(member: Callable[[str], Client], group: str, page: str) -> None:
    assert member(group).get(f"/admin/{page}").status_code == 403


def test_an_administrator_sees_all_and_makes_no_superuser(member: Callable[[str], Client], root: User) -> None:
    client = member("administrator")
    me = User.objects.get(username="a-administrator")
    form: dict[str, Any] = {"username": me.username, "is_active": "on", "is_staff": "on", "is_superuser": "on"}
    form |= {"groups": me.groups.get().pk, "date_joined_0": "2026-01-01", "date_joined_1": "10:00"}

    client.post(f"/admin/auth/user/{me.pk}/change/", form)

    me.refresh_from_db()
    assert not me.is_superuser
    assert client.post(f"/admin/auth/user/{root.pk}/password/", {}).status_code == 403
    assert client.get("/admin/transcription/session/").status_code == 200


def test_the_log_of_changes_shows_who_changed_what_to_those_who_may_see_it(
    member: Callable[[str], Client], site: Client, route: ModelRoute, root: User
) -> None:
    site.post(f"{BASE}/modelroute/{route.pk}/back/")
    ModelRoute.objects.update(previous_model=ASRModel.objects.create(name="heavy", multilingual=True))
    site.post(f"{BASE}/modelroute/{route.pk}/back/")
    site.post("/admin/auth/group/add/", {"name": "guests"})

    viewer_sees = text_of(member("viewer"), "/admin/admin/logentry/")

    assert "Went back to heavy." in viewer_sees
    assert "root" in viewer_sees
    assert "guests" not in viewer_sees
    assert "guests" in text_of(site, "/admin/admin/logentry/")


def test_the_side_of_the_page_leads_only_where_its_reader_may_go(member: Callable[[str], Client]) -> None:
    page = text_of(member("viewer"), "/admin/")

    assert "/admin/transcription/modelroute/" in page
    assert "/admin/auth/user/" not in page
