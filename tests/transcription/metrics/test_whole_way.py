"""What clients do at the real application, with a real process of the scripted engine, as /metrics and the database say it."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.db import connection
from django.test import AsyncClient
from django.utils import timezone
from prometheus_client.parser import text_string_to_metric_families

from tests.inference.worker import Worker, running_worker, say
from tests.transcription.test_consumers import Socket
from tests.transcription.web_process import running_web_process
from transcription.metrics import meters
from transcription.metrics.collecting import collect
from transcription.metrics.process import Reporter
from transcription.metrics.queries import Aggregation, aggregate
from transcription.models import MetricSample, Segment
from transcription.protocol import CloseCode

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.integration]

SECRET_WORDS = "alpha bravo charlie delta"
Page = dict[str, float]


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    with running_worker(f"unix:{tmp_path_factory.mktemp('worker') / 'i.sock'}") as started:
        yield started


@pytest.fixture(autouse=True)
async def web_process(worker: Worker, settings: Any) -> AsyncIterator[None]:
    async with running_web_process(worker, settings):
        yield


async def page() -> Page:
    """By sample with its labels, as it stands there."""
    text = (await AsyncClient().get("/metrics")).content.decode()
    samples = (sample for family in text_string_to_metric_families(text) for sample in family.samples)
    return {f"{each.name}{','.join(sorted(each.labels.values()))}": each.value for each in samples}


def increases(before: Page, after: Page, *names: str) -> list[float]:
    return [round(after.get(name, 0) - before.get(name, 0), 3) for name in names]


@sync_to_async
def stored(reporter: Reporter, **asked: Aggregation) -> list[float | None]:
    """What the samples say of the last minute and a half, the present interval included."""
    reporter.once()
    until = timezone.now() + timedelta(seconds=20)
    found = [aggregate(f"hark_{name}", how, window=timedelta(seconds=100), until=until) for name, how in asked.items()]
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_unlock_all()")
    return found


async def test_one_session_is_the_same_on_the_page_in_the_database_and_in_the_transcript() -> None:
    before, reporter = await page(), Reporter("web", meters.web)
    socket = await Socket().open()
    await socket.say(SECRET_WORDS, silence_s=1.0)
    ready = await socket.expect("ready")
    await socket.expect("final")
    await socket.say("echo foxtrot", silence_s=1.0)
    await socket.expect("final")
    during = await page()
    assert [during["hark_connections"], during[f"hark_sessions_live{ready['language']},fake"]] == [1, 1]
    assert during["hark_link_upinference-0"] == 1
    await socket.finish()
    after = await page()
    audio_s = sum(len(say(text, silence_s=1.0)) for text in (SECRET_WORDS, "echo foxtrot")) / 32_000
    assert increases(
        before, after, "hark_sessions_started_total", "hark_sessions_ended_totalcomplete", "hark_first_text_seconds_count",
        "hark_final_seconds_countfake", "hark_confidence_count", "hark_audio_seconds_total", "hark_connections",
    ) == [1, 1, 1, 2, 2, audio_s, 0]  # fmt: skip
    num_partials = len(socket.of("partial"))
    assert increases(before, after, "hark_partial_age_seconds_count") == [num_partials]
    assert after["hark_store_seconds_count"] > before["hark_store_seconds_count"]
    assert await stored(
        reporter, sessions_started_total="sum", sessions_ended_total="sum", audio_seconds_total="sum", final_seconds="sum",
        partial_age_seconds="sum", segments_total="sum", connections="last",
    ) == [1, 1, pytest.approx(audio_s), 2, num_partials, await Segment.objects.acount(), 0]  # fmt: skip
    text = (await AsyncClient().get("/metrics")).content.decode()
    assert not [secret for secret in ("alpha", ready["session"], "127.0.0.1") if secret in text]


async def test_who_is_not_let_in_is_counted_by_reason() -> None:
    before = await page()
    is_accepted, _code = await Socket(headers=[(b"authorization", b"Bearer wrong")]).connect(timeout=20)
    assert not is_accepted
    socket = await Socket().open()
    await socket.tell("resume", session="00000000-0000-0000-0000-000000000000", token="x" * 43)
    await socket.read_all()
    assert socket.code == CloseCode.UNKNOWN_SESSION
    assert increases(
        before, await page(), "hark_refusals_totalinvalid_credentials", "hark_refusals_totalunknown_session",
        "hark_resumptions_totalunknown", "hark_sessions_started_total",
    ) == [1, 1, 1, 0]  # fmt: skip


async def test_an_error_is_counted_by_its_code() -> None:
    before = await page()
    socket = await Socket().open()
    await socket.say("alpha")
    await socket.expect("ready")
    await socket.tell("start", sample_rate=8_000)
    await socket.read_all()
    assert increases(
        before, await page(), "hark_session_errors_totalstart_after_audio", "hark_sessions_ended_totalfailed",
        "hark_sessions_started_total",
    ) == [1, 1, 1]  # fmt: skip


async def test_a_client_that_comes_back_is_counted() -> None:
    before = await page()
    socket = await Socket().open()
    await socket.tell("start", reliable=True)
    ready = await socket.expect("ready")
    await socket.leave()
    again = await Socket().open()
    await again.tell("resume", session=ready["session"], token=ready["resume_token"])
    await again.expect("resumed")
    await again.tell("end", samples=0)
    await again.read_all()
    assert increases(
        before, await page(), "hark_resumptions_totalhere", "hark_sessions_started_total", "hark_sessions_ended_totalcomplete"
    ) == [1, 1, 1]


async def test_what_an_inference_process_measured_is_fetched() -> None:
    """Its first interval is there some seconds after its start, which the tests before have taken."""
    for _ in range(200):
        await sync_to_async(collect)()
        found = MetricSample.objects.filter(series__node="inference-0")
        if await found.filter(series__name="hark_step_seconds").aexists():
            break
        await asyncio.sleep(0.1)
    else:
        pytest.fail("no steps were stored")
    num_samples = await found.acount()
    await sync_to_async(collect)()
    assert await found.filter(series__name="hark_streams_open").aexists()
    assert await found.values("series_id", "resolution_s", "at").distinct().acount() == await found.acount() >= num_samples
