"""The admin site: every page renders, lists stay cheap, and nobody rewrites what was said."""

import re
from datetime import time
from uuid import uuid4

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Group, Permission, User
from django.contrib.contenttypes.models import ContentType
from django.db import models
from django.test import Client
from django.urls import reverse
from django_celery_beat.models import ClockedSchedule, CrontabSchedule, IntervalSchedule, PeriodicTask, SolarSchedule
from pytest_django import DjangoAssertNumQueries
from unfold.admin import ModelAdmin

from tests.factories import NINE_O_CLOCK, make_session, make_user
from transcription.access import keys
from transcription.accuracy.corrections import correct
from transcription.listeners import Scope
from transcription.models import (
    AlertChannel,
    AlertDelivery,
    AlertEvent,
    AlertRule,
    ApiKey,
    ASRModel,
    CanaryRun,
    Correction,
    Erasure,
    ModelRoute,
    ModelSchedule,
    ModelSwap,
    RouteOverride,
    Segment,
    Session,
    StoredAudio,
)

pytestmark = pytest.mark.django_db
SESSIONS = "/admin/transcription/session/"
WRITTEN_BY_THE_SERVER = {
    *(Session, ASRModel, ModelSwap, RouteOverride, LogEntry),
    *(AlertEvent, AlertDelivery, StoredAudio, Correction, CanaryRun),
}
REGISTERED = sorted(admin.site._registry, key=lambda model: model._meta.label)


@pytest.fixture
def one_of_each(root: User) -> dict[type[models.Model], models.Model]:
    interval = IntervalSchedule.objects.create(every=1, period="minutes")
    asr_model = ASRModel.objects.create(name="heavy", multilingual=True)
    route = ModelRoute.objects.create(model=asr_model)
    session = make_session("Good morning.", owner=root)
    audio = {"duration_ms": 1, "sample_rate_hz": 16_000, "num_bytes": 1}
    event = AlertEvent.objects.create(title="Too late", severity="warning", value=0.9, facts={})
    channel = AlertChannel.objects.create(name="me", target="me@example.org")
    return {
        AlertRule: AlertRule.objects.create(name="late", metric="hark_final_seconds", aggregation="p99", threshold=1),
        AlertEvent: event,
        AlertChannel: channel,
        AlertDelivery: AlertDelivery.objects.create(event=event, channel=channel, what="firing"),
        StoredAudio: StoredAudio.objects.create(session=session, **audio),
        Correction: correct(session.segments.get(), "Good evening."),
        CanaryRun: CanaryRun.objects.create(model="heavy", language="en"),
        Erasure: Erasure.objects.create(user=root, requested_at=NINE_O_CLOCK),
        ASRModel: asr_model,
        ModelRoute: route,
        ModelSchedule: ModelSchedule.objects.create(route=route, model=asr_model, days=[0], starts=time(8), ends=time(9)),
        RouteOverride: RouteOverride.objects.create(route=route, model=asr_model, by=root),
        ModelSwap: ModelSwap.objects.create(route=route, to_name="heavy"),
        LogEntry: LogEntry.objects.create(
            user=root, content_type=ContentType.objects.get_for_model(ModelRoute), object_id=str(route.pk), action_flag=CHANGE
        ),
        User: root,
        Group: Group.objects.create(name="operators"),
        ApiKey: keys.make_key(root, "gateway", [Scope.STREAM])[0],
        Session: session,
        IntervalSchedule: interval,
        CrontabSchedule: CrontabSchedule.objects.create(minute="0"),
        SolarSchedule: SolarSchedule.objects.create(event="sunrise", latitude=1, longitude=1),
        ClockedSchedule: ClockedSchedule.objects.create(clocked_time=NINE_O_CLOCK),
        PeriodicTask: PeriodicTask.objects.create(
            name="sweep", task="transcription.tasks.close_abandoned_sessions", interval=interval
        ),
    }


def listed(site: Client, **parameters: str) -> set[str]:
    """Numbers of the sessions on the list page."""
    page = site.get(SESSIONS, parameters).content.decode()
    return set(re.findall(rf"{SESSIONS}([0-9a-f-]{{36}})/change/", page))


@pytest.mark.parametrize("model", REGISTERED, ids=lambda model: model._meta.label)
def test_every_admin_page_renders_in_the_look_of_the_site(
    site: Client, one_of_each: dict[type[models.Model], models.Model], model: type[models.Model]
) -> None:
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}"

    pages = [site.get(reverse(f"{name}_changelist")), site.get(reverse(f"{name}_change", args=[one_of_each[model].pk]))]
    if model not in WRITTEN_BY_THE_SERVER:
        pages.append(site.get(reverse(f"{name}_add")))

    assert [page.status_code for page in pages] == [200] * len(pages)
    assert isinstance(admin.site._registry[model], ModelAdmin)
    assert all("Hark" in page.content.decode() for page in pages)


def test_the_first_page_and_the_login_page_carry_the_name_of_the_product(site: Client) -> None:
    assert "Hark" in site.get("/admin/").content.decode()
    assert "Hark" in Client().get("/admin/login/").content.decode()


def test_a_password_is_changed_and_a_user_added_through_the_forms(site: Client) -> None:
    fields = {
        "username": "carol",
        "password1": "a long pass phrase",
        "password2": "a long pass phrase",
        "usable_password": "true",
    }

    assert site.post("/admin/auth/user/add/", fields).status_code == 302

    carol = User.objects.get(username="carol")
    new = {"password1": "another pass phrase", "password2": "another pass phrase", "usable_password": "true"}
    assert site.post(f"/admin/auth/user/{carol.pk}/password/", new).status_code == 302
    carol.refresh_from_db()
    assert carol.check_password("another pass phrase")


def test_a_periodic_task_is_saved_through_its_form(site: Client, one_of_each: dict[type[models.Model], models.Model]) -> None:
    fields = {
        "name": "nightly sweep",
        "regtask": "",
        "task": "transcription.tasks.close_abandoned_sessions",
        "enabled": "on",
        "interval": str(one_of_each[IntervalSchedule].pk),
        "args": "[]",
        "kwargs": "{}",
        "headers": "{}",
    }

    response = site.post("/admin/django_celery_beat/periodictask/add/", fields)

    assert response.status_code == 302, response.content.decode()
    assert PeriodicTask.objects.filter(name="nightly sweep").exists()


def test_the_list_costs_the_same_queries_for_any_number_of_sessions(
    site: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    for number in range(25):
        make_session("one", "two", owner=make_user(f"user{number}"))

    with django_assert_max_num_queries(10):
        assert len(listed(site)) == 25


def test_the_detail_costs_the_same_queries_for_any_number_of_segments(
    site: Client, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    session = make_session(*(f"sentence {number}" for number in range(120)))

    with django_assert_max_num_queries(10):
        page = site.get(f"{SESSIONS}{session.pk}/change/").content.decode()

    assert all(f"sentence {number}<" in page for number in range(120))


def test_the_list_shows_who_when_and_how_much(site: Client) -> None:
    make_session("one", "two", "three", owner=make_user("carol"), client="phone gateway", status="incomplete")

    page = site.get(SESSIONS).content.decode()

    assert all(words in page for words in ("carol", "phone gateway", "whisper-tiny.en", "incomplete", "0:10"))
    assert re.search(r"field-segment_count[^>]*>\s*3\s*<", page)


def test_the_transcript_is_shown_with_times_and_without_markup_from_speech(site: Client) -> None:
    session = make_session("Good morning.", "<script>alert(1)</script>")

    page = site.get(f"{SESSIONS}{session.pk}/change/").content.decode()

    assert "Good morning." in page
    assert ">0:03<" in page
    assert re.search(r"readonly[^>]*>\s*complete\s*<", page)
    assert "<script>alert(1)</script>" not in page
    assert "&lt;script&gt;alert(1)" in page


@pytest.mark.parametrize("term", ["carol", "gateway", "quick fox", "天气", "{id}", "{hex}"])
def test_search_finds_by_owner_client_words_and_number(site: Client, term: str) -> None:
    session = make_session("The quick brown fox", "今天天气很好", owner=make_user("carol"), client="phone gateway")
    make_session("something else", owner=make_user("bob"))

    assert listed(site, q=term.format(id=session.pk, hex=session.pk.hex)) == {str(session.pk)}


@pytest.mark.parametrize("term", ["", "  ", "nobody said this", "' | ! (", "a\0b", str(uuid4())])
def test_any_search_term_is_answered(site: Client, term: str) -> None:
    make_session("hello")

    assert site.get(SESSIONS, {"q": term}).status_code == 200


def test_filters_narrow_the_list(site: Client) -> None:
    live = make_session(status="live", ended_at=None)
    make_session()

    assert listed(site, status__exact="live") == {str(live.pk)}


def test_nobody_changes_or_adds_a_session_or_a_final(site: Client) -> None:
    session = make_session("Good morning.", client="before")
    segment = session.segments.get()
    fields = {
        "client": "after",
        "segments-TOTAL_FORMS": "1",
        "segments-INITIAL_FORMS": "1",
        "segments-0-id": str(segment.pk),
        "segments-0-session": str(session.pk),
        "segments-0-text": "rewritten",
    }

    assert site.post(f"{SESSIONS}{session.pk}/change/", fields).status_code == 403
    assert site.post(f"{SESSIONS}add/", fields).status_code == 403
    assert Segment.objects.get().text == "Good morning."
    assert Session.objects.get().client == "before"
    assert 'name="segments-0-text"' not in site.get(f"{SESSIONS}{session.pk}/change/").content.decode()


def test_a_session_is_deleted_with_its_segments(site: Client) -> None:
    session = make_session("one")

    assert site.post(f"{SESSIONS}{session.pk}/delete/", {"post": "yes"}).status_code == 302
    assert not Segment.objects.exists()


def test_a_live_session_is_not_deleted(site: Client) -> None:
    live = make_session("one", status="live", ended_at=None)

    assert site.post(f"{SESSIONS}{live.pk}/delete/", {"post": "yes"}).status_code == 403
    assert Session.objects.exists()


def test_deleting_several_keeps_all_when_one_is_live(site: Client) -> None:
    live, done = make_session(status="live", ended_at=None), make_session()
    chosen = {"action": "delete_selected", "_selected_action": [str(live.pk), str(done.pk)], "post": "yes"}

    site.post(SESSIONS, chosen)
    assert Session.objects.count() == 2

    site.post(SESSIONS, chosen | {"_selected_action": [str(done.pk)]})
    assert list(Session.objects.all()) == [live]


def test_a_session_that_goes_live_between_the_click_and_the_deed_is_kept(site: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    session = make_session(status="live", ended_at=None)
    session_admin = admin.site._registry[Session]
    monkeypatch.setattr(session_admin, "has_delete_permission", lambda request, obj=None: True)

    response = site.post(f"{SESSIONS}{session.pk}/delete/", {"post": "yes"}, follow=True)

    assert Session.objects.exists()
    assert "was kept" in response.content.decode()


def test_staff_without_the_permission_see_no_transcripts(client: Client) -> None:
    make_session("secret")
    clerk = make_user("clerk", is_staff=True)
    client.force_login(clerk)

    assert client.get(SESSIONS).status_code == 403

    clerk.user_permissions.add(Permission.objects.get(content_type__app_label="transcription", codename="view_session"))
    assert client.get(SESSIONS).status_code == 200


# --- API keys -----------------------------------------------------------------------------------------------------------

KEYS = "/admin/transcription/apikey/"


def test_a_new_key_is_shown_once_and_then_never_again(site: Client, root: User) -> None:
    fields = {"owner": str(root.pk), "name": "gateway", "scopes": ["stream", "transcripts:read"], "max_streams": "4"}
    fields |= {"retention_days": "30", "stores_audio": "on"}

    made = site.post(f"{KEYS}add/", fields)

    (text,) = re.findall(r">(hark_\w{8}_\w{32})<", made.content.decode())
    key = keys.use_key(text)
    assert (key.owner, key.name, key.scopes, key.max_streams) == (root, "gateway", ["stream", "transcripts:read"], 4)
    assert (key.retention_days, key.stores_audio) == (30, True)
    assert "no-store" in made["Cache-Control"]
    pages = [site.get(KEYS), site.get(f"{KEYS}{key.pk}/change/"), site.get(f"{KEYS}{key.pk}/history/"), site.get("/admin/")]
    assert [page.status_code for page in pages] == [200] * 4
    assert not any(text.rsplit("_", 1)[1] in page.content.decode() or key.digest in page.content.decode() for page in pages)


def test_a_key_needs_an_owner_a_name_and_a_scope(site: Client) -> None:
    response = site.post(f"{KEYS}add/", {"name": ""})

    assert response.status_code == 200
    assert {"owner", "name", "scopes"} <= set(response.context["adminform"].form.errors)
    assert not ApiKey.objects.exists()


def test_keys_are_revoked_from_the_list_and_never_deleted(site: Client, root: User) -> None:
    key, text = keys.make_key(root, "gateway", [Scope.STREAM])

    response = site.post(KEYS, {"action": "revoke", "_selected_action": [str(key.pk)]})

    assert response.status_code == 302
    with pytest.raises(keys.UnusableKey, match="revoked"):
        keys.use_key(text)
    assert site.post(f"{KEYS}{key.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_key_can_be_changed_but_stays_its_owners(site: Client, root: User) -> None:
    key, text = keys.make_key(root, "gateway", [Scope.STREAM])
    fields = {"owner": str(make_user("bob").pk), "name": "gateway 2", "scopes": ["transcripts:read"]}

    assert site.post(f"{KEYS}{key.pk}/change/", fields).status_code == 302

    changed = keys.use_key(text)
    assert (changed.owner, changed.name, changed.scopes) == (root, "gateway 2", ["transcripts:read"])
