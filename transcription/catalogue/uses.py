"""Where a model is needed, so that nobody takes it away from there."""

from collections.abc import Iterator

from asgiref.sync import async_to_sync
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from inference.config import split_model
from transcription import recognizer
from transcription.models import ASRModel, ModelRoute, ModelSchedule, ModelSwap, RouteOverride


def uses_of(model: ASRModel) -> list[str]:
    """Each place as words that go behind "it is"; empty: nobody needs it. What inference processes have loaded is not asked."""
    return [*_by_routes(model), *_by_plans(model), *_by_others(model)]


def _by_routes(model: ASRModel) -> Iterator[str]:
    in_any_part = Q(model=model) | Q(usual_model=model) | Q(partial_model=model) | Q(fallback=model)
    for route in ModelRoute.objects.filter(in_any_part):
        is_own = route.model_id == model.pk or route.usual_model_id == model.pk
        part = "the model" if is_own else "the lighter model" if route.fallback_id == model.pk else "the model of partial texts"
        yield f"{part} of the route {route}"


def _by_plans(model: ASRModel) -> Iterator[str]:
    for schedule in ModelSchedule.objects.filter(model=model).select_related("route"):
        yield f"in the schedule {schedule} of the route {schedule.route}"
    running = Q(until_at=None) | Q(until_at__gt=timezone.now())
    for override in RouteOverride.objects.filter(running, model=model).select_related("route"):
        yield f"what somebody put on the route {override.route}"


def _by_others(model: ASRModel) -> Iterator[str]:
    if model.name in {split_model(configured)[0] for configured in settings.HARK_MODELS}:
        yield "named in HARK_MODELS"
    if ModelSwap.objects.filter(to_model=model, finished_at=None).exists():
        yield "on its way to a route"
    for variant in model.variants.all():
        yield f"what {variant.name} is a variant of"


def loaded_by(model: ASRModel) -> list[str]:
    """Inference processes that have it in memory now, as `models list` calls them. Returns within seconds."""
    statuses = async_to_sync(recognizer.each_status)()
    return [
        f"inference-{number}" for number, status in enumerate(statuses) if model.name in {info.name for info in status.models}
    ]
