"""The admin site in Chinese, page by page: no word of English is left but names and what people wrote themselves."""

import re
from html.parser import HTMLParser

import pytest
from django.contrib import admin
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.test import Client
from django.urls import reverse

from tests.factories import make_model, make_route, make_schedule, make_session, make_user
from transcription.access import keys
from transcription.accuracy.corrections import correct
from transcription.admin.swaps import STAGE_NAMES
from transcription.alerts.events import facts_of
from transcription.listeners import Scope
from transcription.models import (
    AlertChannel,
    AlertDelivery,
    AlertEvent,
    AlertRule,
    ApiKey,
    CanaryRun,
    Erasure,
    ModelRoute,
    ModelSwap,
    RouteOverride,
    StoredAudio,
)

pytestmark = pytest.mark.django_db
NOT_WORDS = re.compile(
    r"\S+@\S+|\b\w+=\S+|\bHARK_[A-Z]+\b|\bhark_\S+|\b[\w-]+[./][\w./*-]+"
    r"|[0-9A-Fa-f]{8}-[0-9a-f-]{27}"  # an id; titles begin with a capital letter
)
WORD = re.compile(r"[A-Za-z]{3,}")
NAMES = {
    "hark",
    "api",
    "english",
    "sha",
    "utc",
    "int",
    "auto",
    "general",
    "telephony",
    "commands",
    "dictation",
    "whisper",
    "base",
}
NAMES |= {"dagang", "qinghan", "zhonghan", "tests", "hant", "hans", "esc"}
NAMES |= {"conformer", "edge", "ctc", "build"}  # the small model, and a command
NAMES |= {"url", "https", "min", "max", "sum"}  # as Prometheus calls them, in the conditions of alert rules
OURS = [model for model in admin.site._registry if model._meta.app_label == "transcription"]


class TextFinder(HTMLParser):
    """What a reader sees or hears of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.texts: list[str] = []
        self.hidden_in = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        is_icon = "material-symbols-outlined" in (dict(attrs).get("class") or "")  # drawn by its name
        if is_icon or tag in {"script", "style", "datalist"}:
            self.hidden_in = tag
        self.texts += [value or "" for name, value in attrs if name in {"title", "aria-label", "placeholder", "alt"}]

    def handle_endtag(self, tag: str) -> None:
        if tag == self.hidden_in:
            self.hidden_in = ""

    def handle_data(self, data: str) -> None:
        if not self.hidden_in:
            self.texts.append(data)


def english_words(html: str) -> set[str]:
    finder = TextFinder()
    finder.feed(html)
    text = NOT_WORDS.sub(" ", " ".join(finder.texts))
    return {word for word in WORD.findall(text) if word.lower() not in NAMES}


@pytest.fixture
def site() -> Client:
    """What people write themselves is in letters that no page has of its own."""
    root = make_user("dagang", is_staff=True, is_superuser=True)
    client = Client(headers={"accept-language": "zh-hans"})
    client.force_login(root)
    return client


@pytest.fixture
def rows(site: Client) -> dict[str, object]:
    """One of everything; the route has a schedule, a wish, and a swap that is over."""
    root = User.objects.get()
    make_model("zhonghan", languages=["en", "de", "fr", "es", "it"], precision="int8", memory_bytes=9 * 10**7, rtf=0.1, wer=0.06)
    route = make_route("qinghan", "", fallback=make_model("zhonghan"), previous_model=make_model("zhonghan"))
    schedule = make_schedule(route, "zhonghan", "20:00-06:00")
    RouteOverride.objects.create(route=route, model=make_model("zhonghan"), by=root)
    swap = make_swap(route)
    key, _text = keys.make_key(root, "dagang", [Scope.STREAM])
    ApiKey.objects.update(prefix="12345678")
    kind = ContentType.objects.get_for_model(ModelRoute)
    LogEntry.objects.create(user=root, content_type=kind, object_id=str(route.pk), object_repr="*", action_flag=CHANGE)
    return {
        "modelroute": route.pk,
        "modelschedule": schedule.pk,
        "modelswap": swap.pk,
        "asrmodel": route.model.pk,
        "apikey": key.pk,
        **make_alert(root),
        **make_records(root),
    }


def make_records(root: User) -> dict[str, object]:
    """What somebody said, how it was corrected, kept and forgotten, and what the canary heard."""
    session = make_session("你好。", owner=root, model="qinghan")
    StoredAudio.objects.create(session=session, duration_ms=2_000, sample_rate_hz=16_000, num_bytes=9_000)
    CanaryRun.objects.create(model="qinghan", language="zh", num_clips=1, num_words=5, num_errors=1, final_ms=600, heard="你好")
    return {
        "session": session.pk,
        "correction": correct(session.segments.get(), "您好").pk,
        "storedaudio": StoredAudio.objects.get().pk,
        "canaryrun": CanaryRun.objects.get().pk,
        "erasure": Erasure.objects.create(user=root, requested_at=session.started_at).pk,
    }


def make_alert(root: User) -> dict[str, object]:
    """Of a rule that comes with the project, told to a channel that did not take it."""
    AlertRule.objects.all().delete()
    rule = AlertRule.objects.create(name="Final texts are late", metric="hark_final_seconds", aggregation="p99", threshold=0.5)
    AlertRule.objects.filter(pk=rule.pk).update(is_shipped=True)
    event = AlertEvent.objects.create(
        rule=rule, title=rule.name, severity="critical", facts=facts_of(rule), value=0.6, num_fired=3
    )
    channel = AlertChannel.objects.create(name="dagang", target="dagang@example.org", secret="1234")
    AlertDelivery.objects.create(event=event, channel=channel, what="firing", state="failed")
    return {"alertrule": rule.pk, "alertevent": event.pk, "alertchannel": channel.pk}


def make_swap(route: ModelRoute) -> ModelSwap:
    steps = [{"at": "2026-01-31T09:00:00+00:00", "worker": "", "stage": stage, "detail": ""} for stage in STAGE_NAMES]
    names = {"from_name": "qinghan", "to_name": "zhonghan", "route_name": str(route)}
    return ModelSwap.objects.create(route=route, to_model=route.fallback, state="done", progress=steps, **names)


def pages(rows: dict[str, object]) -> list[str]:
    lists = [reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist") for model in OURS]
    forms = [reverse(f"admin:transcription_{name}_change", args=[pk]) for name, pk in rows.items()]
    news = [
        reverse(f"admin:transcription_{name}_add")
        for name in ("modelroute", "modelschedule", "apikey", "alertrule", "alertchannel", "erasure")
    ]
    others = ["admin:index", "admin:transcription_modelschedule_week", "admin:admin_logentry_changelist"]
    change = reverse("admin:transcription_modelroute_model", args=[rows["modelroute"]])
    return [*lists, *forms, *news, *map(reverse, others), change]


def test_no_page_says_a_word_in_english_to_chinese_readers(site: Client, rows: dict[str, object]) -> None:
    found = {}
    for address in pages(rows):
        words = english_words(site.get(address).content.decode())
        if words:
            found[address] = words
    assert found == {}


def test_the_search_for_english_words_finds_what_it_is_for() -> None:
    page = (
        '<p title="Close now">模型 <b>whisper-tiny.en</b> serves</p><script>ignored</script><input placeholder="Type">'
        "<h1>E2c7436c-7bfc-4681-b8fc-e376fe87341a</h1><p>e2c7436c-7bfc-4681-b8fc-e376fe87341a</p>"
    )
    assert english_words(page) == {"Close", "now", "serves", "Type"}
