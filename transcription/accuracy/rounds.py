"""The canary's rounds: every reference clip is played to every model that serves; what was heard is compared and written down.

It goes the way that speech goes, from the socket to the text, with an API key that is made for the round and deleted after it.
The sessions belong to a user of their own and are deleted as well. (What a model must hear before it takes a route is another
canary: `transcription.swaps.canary`.)
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import groupby
from typing import Final

from django.conf import settings
from django.contrib.auth.models import User
from django.utils import timezone

from inference.wording import num_wrong, words
from transcription.access.keys import make_key
from transcription.accuracy.playing import Hearing, NotPlayed, play
from transcription.listeners import Scope
from transcription.models import CANARY_USER, ApiKey, ASRModel, CanaryRun, ModelRoute, Session
from transcription.swaps import canary
from transcription.swaps.canary import ReferenceClip
from transcription.swaps.locks import held

MAX_CLIPS: Final = 10
"""In a language, for each model: they last as long as they were spoken, and the round should be over before the next."""
KEY_LASTS: Final = timedelta(hours=1)
KEPT: Final = timedelta(days=90)
ROUND_LOCKS: Final = 0x4841_0004

logger = logging.getLogger(__name__)

Play = Callable[[ReferenceClip, str, str, str], Hearing]


@dataclass(slots=True)
class Score:
    """Sums over the clips of one language."""

    num_clips: int = 0
    num_words: int = 0
    num_errors: int = 0
    waits_ms: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)

    def add(self, clip: ReferenceClip, hearing: Hearing) -> None:
        said = words(clip.text)
        self.num_clips += 1
        self.num_words += len(said)
        self.num_errors += num_wrong(said, words(hearing.text))
        self.texts.append(hearing.text)
        if hearing.final_ms is not None:
            self.waits_ms.append(hearing.final_ms)


def play_round(play_clip: Play = play) -> list[CanaryRun]:
    """Play all clips to all models; nothing where another worker is at it. Takes as long as the clips do."""
    with held(ROUND_LOCKS, 0) as is_ours:
        if not is_ours:
            return []
        CanaryRun.objects.filter(at__lt=timezone.now() - KEPT).delete()
        with own_key() as key:
            runs = [heard_by(model, clips, play_clip, key) for model in models_in_use() for clips in clips_for(model)]
    return [run for run in runs if run is not None]


@contextmanager
def own_key() -> Iterator[str]:
    """The text of a key of the canary's own; it and what was said with it are deleted at the end."""
    user, is_new = User.objects.get_or_create(username=CANARY_USER)
    if is_new:
        user.set_unusable_password()
        user.save()
    _key, text = make_key(user, "round", [Scope.STREAM, Scope.CHOOSE_MODEL], expires_at=timezone.now() + KEY_LASTS)
    try:
        yield text
    finally:
        ApiKey.objects.filter(owner=user).delete()
        Session.objects.filter(owner=user).exclude(status=Session.Status.LIVE).delete()


def models_in_use() -> list[str]:
    """Those of the routes in service, also for partial texts, and the lighter ones that stand in for them; without routes those
    loaded at the start."""
    routes = ModelRoute.objects.filter(is_enabled=True).select_related("model", "partial_model", "fallback")
    names = [route.model.name for route in routes]
    names += [route.partial_model.name for route in routes if route.partial_model is not None]
    names += [route.fallback.name for route in routes if route.fallback is not None and route.fallback_since is not None]
    return list(dict.fromkeys(names or [model.partition("=")[0] for model in settings.HARK_MODELS]))


def clips_for(model: str) -> Iterator[list[ReferenceClip]]:
    """Its own, or those in the languages that the catalogue says the model knows, language by language; the longest where there
    are many."""
    row = ASRModel.objects.filter(name=model).first()
    known = set(row.languages) if row is not None else set()
    by_language = sorted(canary.clips_for(row), key=lambda clip: (clip.language, -clip.num_words))
    for language, clips in groupby(by_language, key=lambda clip: clip.language):
        if not known or language in known:
            yield list(clips)[:MAX_CLIPS]


def heard_by(model: str, clips: Sequence[ReferenceClip], play_clip: Play, key: str) -> CanaryRun | None:
    """What the model made of the clips of one language, stored; None where it turns out not to know the language."""
    score, error = Score(), ""
    for clip in clips:
        try:
            score.add(clip, play_clip(clip, model, settings.HARK_CANARY_URL, key))
        except NotPlayed as err:
            if err.code == "unsupported_language":
                return None
            error = str(err)
            break
    run = CanaryRun.objects.create(
        model=model,
        language=clips[0].language,
        num_clips=score.num_clips,
        num_words=score.num_words,
        num_errors=score.num_errors,
        final_ms=max(score.waits_ms, default=None),
        heard="\n".join(score.texts),
        error=error,
    )
    _log(run)
    return run


def _log(run: CanaryRun) -> None:
    if run.error:
        logger.warning("canary: %s could not be tried: %s", run, run.error)
    else:
        logger.info("canary: %s heard %d of %d words wrong", run, run.num_errors, run.num_words)
