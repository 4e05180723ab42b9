"""Acceptance check 23: exports of 50 stored sessions, read back by strict parsers."""

import random

import pytest
from django.contrib.auth.models import User
from django.test import Client

from tests.factories import make_segment, make_session, make_user
from tests.transcription.caption_parser import check_limits, parse_srt, parse_vtt
from transcription.models import Session

ENGLISH = [
    "the",
    "meeting",
    "begins",
    "at",
    "nine",
    "&",
    "we",
    "shall",
    "see",
    "whether,",
    "incomprehensibly,",
    "everybody",
    "is",
    "there.",
    "<yes>",
    "-->",
    "no?",
    "42",
]
CHINESE = ["今天", "我们", "讨论", "语音", "识别", "服务器", "的", "设计", "，", "首先", "是", "音频", "。", "然后", "API", "！"]
STATUSES = ["complete", "complete", "complete", "incomplete", "failed", "live"]


def store_random_session(owner: User, seed: int) -> Session:
    """A session of up to 12 finals in one of two scripts, with or without word times."""
    rng = random.Random(seed)
    vocabulary, separator, language = rng.choice([(ENGLISH, " ", "en"), (CHINESE, "", "zh")])
    session = make_session(owner=owner, language=language, status=rng.choice(STATUSES), gap_ms=rng.choice([0, 700]))
    at_ms = 0
    for number in range(rng.randint(0, 12)):
        words = rng.choices(vocabulary, k=rng.randint(0, 60))
        start_ms = at_ms = at_ms + rng.randint(0, 5_000)
        timed = []
        for word in words:
            end_ms = at_ms + rng.randint(0, 900)
            timed.append({"text": word, "start_ms": at_ms, "end_ms": end_ms, "confidence": 0.8})
            at_ms = end_ms
        kept = timed if rng.random() < 0.7 else []
        make_segment(session, number, separator.join(words), start_ms=start_ms, end_ms=at_ms, words=kept)
    return session


@pytest.mark.django_db
def test_exports_of_fifty_stored_sessions_are_valid_and_whole(client: Client) -> None:
    alice = make_user()
    client.force_login(alice)
    for session in [store_random_session(alice, seed) for seed in range(50)]:
        finals = [segment.text for segment in session.segments.order_by("number") if segment.text]
        answers = {
            name: client.get(f"/api/v1/sessions/{session.pk}/transcript/?format={name}") for name in ("json", "txt", "srt", "vtt")
        }
        srt, vtt = parse_srt(answers["srt"].content.decode()), parse_vtt(answers["vtt"].content.decode())
        exported, lines = answers["json"].json(), answers["txt"].content.decode().splitlines()

        check_limits(srt)
        check_limits(vtt.cues)
        said = "".join("".join(finals).split())
        assert "".join("".join(cue.lines) for cue in vtt.cues).replace(" ", "") == said
        is_complete = session.status == "complete"
        assert lines[0 if is_complete else 1 :] == finals
        assert (
            is_complete == (not vtt.notes) == exported["complete"] == (answers["srt"].headers["X-Transcript-Complete"] == "true")
        )
        assert exported["gap_ms"] == session.gap_ms
        assert [segment["words"] for segment in exported["segments"]] == [s.words for s in session.segments.order_by("number")]
