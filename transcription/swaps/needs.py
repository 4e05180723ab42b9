"""Which models must be in memory: what a route serves with or falls back to, what writes its partial texts, and what HARK_MODELS
names."""

from django.conf import settings

from inference.config import split_model
from transcription.models import ASRModel, ModelRoute


def configured_models() -> frozenset[str]:
    """Those that inference processes load when they start. They are never unloaded, even where no route needs them: whoever no
    route serves is heard with them, and a process that is restarted has nothing else until the rest is restored."""
    return frozenset(split_model(model)[0] for model in settings.HARK_MODELS)


def models_of(route: ModelRoute) -> list[ASRModel]:
    """What a route in service needs, its own model first."""
    return [model for model in (route.model, route.partial_model, route.fallback) if model is not None]


def routes_in_service() -> list[ModelRoute]:
    return list(ModelRoute.objects.filter(is_enabled=True).select_related("model", "partial_model", "fallback"))


def needed_models() -> frozenset[str]:
    """Names of all that may not be unloaded now."""
    of_routes = {model.name for route in routes_in_service() for model in models_of(route)}
    return configured_models() | of_routes


def is_needed_besides(name: str, route: ModelRoute) -> bool:
    """Whether a model may not be unloaded even when `route` has another one in its place."""
    others = {model.name for other in routes_in_service() if other.pk != route.pk for model in models_of(other)}
    beside = {model.name for model in models_of(route)[1:]}
    return name in configured_models() | others | beside
