"""Looks every few seconds after what nobody else does: swaps that wait or were left behind, and models that inference
processes lack since their restart, or have for nothing. Each round brings things nearer to what the routes say.
"""

import logging
from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from django.utils import timezone

from inference.messages import UnloadModel, WorkerStatus
from transcription.models import ASRModel, ModelRoute, ModelSwap
from transcription.swaps.errors import SwapFailed
from transcription.swaps.fleet import Fleet, has_model
from transcription.swaps.locks import tending_to_ourselves
from transcription.swaps.needs import models_of, needed_models, routes_in_service
from transcription.swaps.requests import SwapRefused, hand_over, request_swap
from transcription.swaps.running import DRAIN_S

QUIET_FOR: Final = timedelta(seconds=60)
"""So long after a swap nothing is thrown out: streams still move, and an operator may go back."""
FIRST_RETRY: Final = timedelta(seconds=15)
LONGEST_RETRY: Final = timedelta(minutes=15)
Reason = ModelSwap.Reason
logger = logging.getLogger(__name__)


def tend(fleet: Fleet) -> None:
    """One round. Returns at once where another worker is at it."""
    with tending_to_ourselves() as is_ours:
        if not is_ours:
            return
        hand_over_open()
        statuses = {worker: status for worker, status in fleet.statuses().items() if status.is_ready}
        restore_missing(statuses)
        drop_unneeded(fleet, statuses)


def hand_over_open() -> None:
    """Whoever takes one up finds out whether it waits, was left behind, or is being carried out and needs nobody."""
    for swap_id in ModelSwap.objects.open().order_by("pk").values_list("pk", flat=True):
        hand_over(swap_id)


def restore_missing(statuses: Mapping[str, WorkerStatus]) -> None:
    """Wish for every model that a route needs and a process lacks; one at a time for each route."""
    busy = set(ModelSwap.objects.open().values_list("route_id", flat=True))
    for route in routes_in_service():
        if route.pk not in busy:
            missing = next((model for model in models_of(route) if is_missing(model, statuses)), None)
            if missing is not None and is_time_to_restore(route, missing):
                restore(route, missing)


def is_missing(model: ASRModel, statuses: Mapping[str, WorkerStatus]) -> bool:
    return any(not has_model(status, model.name) for status in statuses.values())


def is_time_to_restore(route: ModelRoute, model: ASRModel) -> bool:
    """At once, then less and less often while it fails."""
    tries = ModelSwap.objects.filter(route=route, to_model=model, reason=Reason.RESTORE).order_by("-pk")[:10]
    num_failed = 0
    for swap in tries:
        if swap.state != ModelSwap.State.FAILED:
            break
        num_failed += 1
    if num_failed == 0:
        return True
    wait = min(FIRST_RETRY * 2 ** (num_failed - 1), LONGEST_RETRY)
    return bool(timezone.now() - tries[0].updated_at >= wait)


def restore(route: ModelRoute, model: ASRModel) -> None:
    try:
        request_swap(route, model, Reason.RESTORE, note="An inference process lacks it.")
    except SwapRefused as err:
        logger.error("%s cannot have its model: %s", route, err)


def drop_unneeded(fleet: Fleet, statuses: Mapping[str, WorkerStatus]) -> None:
    """Models of the catalogue that were left in memory by a swap that failed or a route that is gone."""
    if is_anything_going_on():
        return
    droppable = set(ASRModel.objects.values_list("name", flat=True)) - needed_models()
    for worker, status in statuses.items():
        for info in status.models:
            if info.name in droppable and not info.is_draining:
                drop(fleet, worker, info.name)


def is_anything_going_on() -> bool:
    since = timezone.now() - QUIET_FOR
    return ModelSwap.objects.open().exists() or ModelSwap.objects.filter(finished_at__gt=since).exists()


def drop(fleet: Fleet, worker: str, name: str) -> None:
    try:
        fleet.unload(worker, UnloadModel(model=name, drain_s=DRAIN_S), lambda *_step: None)
    except SwapFailed as err:
        logger.warning("%s keeps %s: %s", worker, name, err)
    else:
        logger.info("%s has unloaded %s, which no route needs any more", worker, name)
