"""The canary's rounds: which clips are played to which models, what is written down, and that nothing else is left."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import Settings

from tests.factories import make_model, make_route, make_session
from transcription.access.keys import use_key
from transcription.accuracy import rounds
from transcription.accuracy.playing import Hearing, NotPlayed
from transcription.accuracy.rounds import play_round
from transcription.listeners import Scope
from transcription.models import CANARY_USER, ApiKey, CanaryRun, ModelRoute, Session
from transcription.privacy.retention import sweep
from transcription.swaps.canary import ReferenceClip

pytestmark = pytest.mark.django_db
CLIPS = [("a.flac", "Alpha bravo.", "en"), ("b.flac", "Charlie.", "en-GB"), ("c.flac", "怎么样", "zh-CN")]


class Server:
    """Hears what `wrong` does not name as it was said."""

    def __init__(self, wrong: dict[str, str] | None = None, refusal: NotPlayed | None = None) -> None:
        self.wrong, self.refusal = wrong or {}, refusal
        self.played: list[tuple[str, str, str]] = []
        self.scopes: set[str] = set()

    def play(self, clip: ReferenceClip, model: str, url: str, key: str) -> Hearing:
        self.played.append((model, clip.language, clip.path.name))
        used = use_key(key)
        self.scopes = set(used.scopes)
        make_session(clip.text, owner=used.owner, key=used)
        if self.refusal is not None:
            raise self.refusal
        return Hearing([self.wrong.get(clip.path.name, clip.text)], final_ms=100 * len(self.played))


@pytest.fixture(autouse=True)
def _clips(tmp_path: Path, settings: Settings) -> None:
    settings.HARK_CANARY_DIR = tmp_path
    lines = [json.dumps({"file": file, "text": text, "lang": language}) for file, text, language in CLIPS]
    (tmp_path / "manifest.jsonl").write_text("\n".join(lines), encoding="utf-8")


def summary(run: CanaryRun) -> tuple[str, str, int, int, int, int | None]:
    return run.model, run.language, run.num_clips, run.num_words, run.num_errors, run.final_ms


def test_each_language_that_a_serving_model_knows_is_played_and_compared() -> None:
    make_model("small", languages=["en"])
    make_route("small")
    make_route("large", "", fallback=make_model("light", languages=["de"]))
    server = Server(wrong={"a.flac": "alpha Brava", "c.flac": "怎样"})

    runs = play_round(server.play)

    assert [summary(run) for run in runs] == [
        ("large", "en", 2, 3, 1, 200),
        ("large", "zh", 1, 3, 1, 300),
        ("small", "en", 2, 3, 1, 500),
    ]
    assert runs[0].heard == "alpha Brava\nCharlie."
    assert CanaryRun.objects.count() == 3


def test_a_model_that_stands_in_now_is_heard_too() -> None:
    route = make_route("large", fallback=make_model("light", languages=["en"]))
    ModelRoute.objects.filter(pk=route.pk).update(fallback_since=timezone.now())

    play_round((server := Server()).play)

    assert {model for model, _language, _file in server.played} == {"large", "light"}


def test_without_routes_the_models_that_are_loaded_at_the_start_are_heard(settings: Settings) -> None:
    settings.HARK_MODELS = ["fake", "mine=/srv/mine"]

    assert {run.model for run in play_round(Server().play)} == {"fake", "mine"}


def test_what_cannot_be_played_is_written_down_with_its_reason_and_the_others_go_on() -> None:
    make_route("large", "")

    runs = play_round(Server(refusal=NotPlayed("The server does not answer.")).play)

    assert [(run.language, run.error, run.wer) for run in runs] == [
        ("en", "The server does not answer.", None),
        ("zh", "The server does not answer.", None),
    ]


def test_a_language_that_the_model_turns_out_not_to_know_is_left_out() -> None:
    make_route("large", "")

    assert play_round(Server(refusal=NotPlayed("…", "unsupported_language")).play) == []
    assert CanaryRun.objects.count() == 0


def test_nothing_is_left_of_a_round_but_its_figures() -> None:
    make_route("large", "")
    kept = make_session("alpha")
    play_round((server := Server()).play)

    assert server.scopes == {Scope.STREAM, Scope.CHOOSE_MODEL}
    assert not User.objects.get(username=CANARY_USER).has_usable_password()
    assert not ApiKey.objects.exists()
    assert set(Session.objects.all()) == {kept}


def test_what_a_round_left_behind_that_was_broken_off_is_swept() -> None:
    user = User.objects.create_user(CANARY_USER)
    make_session("alpha", owner=user)
    fresh = make_session("alpha", owner=user, ended_at=timezone.now())

    sweep()

    assert set(Session.objects.all()) == {fresh}


def test_runs_of_long_ago_are_forgotten() -> None:
    old = CanaryRun.objects.create(model="m", language="en")
    CanaryRun.objects.filter(pk=old.pk).update(at=timezone.now() - timedelta(days=91))

    play_round(Server().play)

    assert not CanaryRun.objects.filter(pk=old.pk).exists()


def test_two_rounds_at_a_time_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def held_by_another(_locks: int, _number: int) -> Iterator[bool]:
        yield False

    monkeypatch.setattr(rounds, "held", held_by_another)
    make_route("large", "")

    assert play_round((server := Server()).play) == []
    assert server.played == []
