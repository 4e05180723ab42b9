"""Wishes for another model: checked, written down as a ModelSwap, and handed to a Celery worker."""

import logging

from celery import current_app
from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone
from kombu.exceptions import OperationalError

from transcription.models import ASRModel, ModelRoute, ModelSwap

RUN_TASK = "transcription.tasks.run_swap"
SUPERSEDED = "Another wish for this route came before this one was begun."

Reason = ModelSwap.Reason
logger = logging.getLogger(__name__)


class SwapRefused(ValueError):
    """The model cannot take this route; the text is a sentence for whoever asked."""


def request_swap(route: ModelRoute, model: ASRModel, reason: str, by: User | None = None, note: str = "") -> ModelSwap:
    """Let `model` serve `route` as soon as every inference process has it; until then everything stays as it is.

    A route that is not in service is put into service by it. A wish for the same model that is on its way is returned as it
    is; one for another model that was not begun yet is dropped in favour of this one. `reason`: one of ModelSwap.Reason; with
    RESTORE the model, which the route has already, is only loaded, when all that was asked for before is done.

    Raises:
        SwapRefused: the model is disabled, cannot hear the route's language, or serves the route already.
    """
    with transaction.atomic():
        locked = ModelRoute.objects.select_for_update().get(pk=route.pk)
        refuse_unfit(locked, model)
        if (same := under_way(locked, model, reason)) is not None:
            return same
        if reason != Reason.RESTORE:
            supersede(locked, model)
        before = locked.model if locked.model_id != model.pk and reason != Reason.RESTORE else None
        swap = ModelSwap.objects.create(
            route=locked,
            route_name=str(locked),
            from_model=before,
            from_name="" if before is None else before.name,
            to_model=model,
            to_name=model.name,
            reason=reason,
            by=by,
            note=note[:500],
        )
        transaction.on_commit(lambda: hand_over(swap.pk))
    return swap


def under_way(route: ModelRoute, model: ASRModel, reason: str) -> ModelSwap | None:
    """An open swap that does what is wished for. One that only loads a model does not make it serve."""
    open_ones = ModelSwap.objects.open().filter(route=route).order_by("-pk")
    if reason == Reason.RESTORE:
        return open_ones.filter(to_model=model).first()
    newest = open_ones.exclude(reason=Reason.RESTORE).first()
    return newest if newest is not None and newest.to_model_id == model.pk else None


def supersede(route: ModelRoute, model: ASRModel) -> None:
    """Drop what was wished for and not begun.

    Raises:
        SwapRefused: there is nothing to do.
    """
    wishes = ModelSwap.objects.open().filter(route=route).exclude(reason=Reason.RESTORE)
    if not wishes.exists() and route.is_enabled and route.model_id == model.pk:
        raise SwapRefused(f"{model} serves {route} already.")
    dropped = wishes.filter(state=ModelSwap.State.WAITING)
    dropped.update(state=ModelSwap.State.FAILED, error=SUPERSEDED, finished_at=timezone.now())


def request_beside(route: ModelRoute, model: ASRModel | None, by: User | None = None, note: str = "") -> ModelSwap | None:
    """Have the lighter model of a route, or that of its partial texts, loaded and tried at once, instead of when it is missed.

    None: it has none.

    Raises:
        SwapRefused: it cannot serve the route.
    """
    return None if model is None else request_swap(route, model, Reason.RESTORE, by, note)


def request_rollback(route: ModelRoute, by: User | None = None, note: str = "") -> ModelSwap:
    """Back to the model before.

    Raises:
        SwapRefused: there was none, or it cannot serve any more.
    """
    if route.previous_model is None:
        raise SwapRefused(f"{route} has had no other model that it could go back to.")
    return request_swap(route, route.previous_model, Reason.ROLLBACK, by, note)


def refuse_unfit(route: ModelRoute, model: ASRModel) -> None:
    """Raises SwapRefused with what is wrong with `model` for `route`, if anything is."""
    sentence = why_unfit(route.language, model)
    if sentence:
        raise SwapRefused(sentence)


def why_unfit(language: str, model: ASRModel) -> str:
    """Why `model` cannot serve `language` (empty: any); empty if it can."""
    if not model.is_enabled:
        return f"{model} is disabled in the catalogue: enable it there first."
    if not model.can_serve(language):
        return f"{model} knows {', '.join(model.languages)}, not {language}: choose a model that does."
    return ""


def hand_over(swap_id: int) -> None:
    """Tell a Celery worker. Where Valkey is away, beat finds the swap when it is back."""
    try:
        current_app.send_task(RUN_TASK, [swap_id], retry=False)
    except OperationalError as err:
        logger.warning("swap %d waits: Celery's queue cannot be reached (%s)", swap_id, type(err).__name__)
