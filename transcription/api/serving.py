"""REST: which models there are, and which of them serves whom."""

from typing import Any

from asgiref.sync import async_to_sync
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from inference.capabilities import WISHES, uses
from inference.messages import ModelInfo
from transcription import recognizer
from transcription.api import serializers
from transcription.api.views import NO_SCOPE, NOT_SIGNED_IN
from transcription.models import ASRModel, ModelRoute
from transcription.schedules import next_change
from transcription.serving.choices import plan_of
from transcription.serving.routebook import route_of

INFO_FIELDS = ("name", "engine", "languages", "multilingual", "precision", "memory_bytes", "is_draining")


class ModelList(APIView):
    @extend_schema(
        operation_id="list_models",
        summary="List the models that serve now, and those of the catalogue",
        responses={200: serializers.ModelsSerializer, 401: NOT_SIGNED_IN, 403: NO_SCOPE},
    )
    def get(self, request: Request) -> Response:
        worker = async_to_sync(recognizer.current_status)()
        names = {model.name for model in worker.models}
        catalogue = [as_entry(row, is_loaded=row.name in names) for row in ASRModel.objects.filter(is_enabled=True)]
        return Response(
            {
                "ready": worker.is_ready,
                "detail": worker.detail,
                "models": [as_info(model) for model in worker.models],
                "catalogue": catalogue,
            }
        )


class RouteList(APIView):
    @extend_schema(
        operation_id="list_routes",
        summary="List the routes: which model serves which scenario and language",
        description=(
            "Those in service. A stream that names no model is served by the route of its scenario and language, else by that of "
            "its scenario for any language, else by those of `general`; where there is none, by the first loaded model that "
            "knows its language."
        ),
        responses={200: serializers.RoutesSerializer, 401: NOT_SIGNED_IN, 403: NO_SCOPE},
    )
    def get(self, request: Request) -> Response:
        rows = ModelRoute.objects.filter(is_enabled=True).select_related("model", "partial_model", "fallback", "usual_model")
        rows = rows.prefetch_related("schedules__model", "overrides__model")
        return Response({"routes": [as_route(row) for row in rows]})


def as_info(model: ModelInfo) -> dict[str, Any]:
    told = {name: getattr(model, name) for name in INFO_FIELDS}
    return told | {"uses": [wish for wish in WISHES if uses(model.engine, wish)]}


def as_entry(row: ASRModel, *, is_loaded: bool) -> dict[str, Any]:
    """What a client may know of a model of the catalogue; not where its files lie."""
    fields = ("name", "engine", "languages", "multilingual", "precision", "licence", "size_bytes", "memory_bytes", "rtf", "wer")
    return {name: getattr(row, name) for name in fields} | {"is_loaded": is_loaded}


def as_route(row: ModelRoute) -> dict[str, Any]:
    now = timezone.now()
    route, change = route_of(row), next_change(plan_of(row, now), now)
    return {
        "scenario": row.scenario,
        "language": row.language,
        "model": route.model,
        "serving": route.models[0],
        "partial_model": route.partial_model,
        "language_model": route.language_model,
        "fallback": route.fallback,
        "next_model": change.due.model if change else "",
        "next_at": change.from_at if change else None,
    }
