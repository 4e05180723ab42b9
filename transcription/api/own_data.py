"""REST: what is kept of whoever asks, all of it to take along, and to have it forgotten."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.http import StreamingHttpResponse
from django.utils import timezone
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from transcription.api import renderers, serializers
from transcription.api.downloads import PRIVATE, download, pieces_of
from transcription.api.views import NO_SCOPE, NOT_FOUND, NOT_SIGNED_IN, SESSION_ID, SessionView
from transcription.listeners import listener_of_request
from transcription.privacy import erasure, export
from transcription.privacy.holdings import held_of
from transcription.privacy.places import path_of

AUDIO_NUMBER = OpenApiParameter("number", int, OpenApiParameter.PATH, description="Which stretch of the session, from the list.")


class OwnData(APIView):
    @extend_schema(
        operation_id="get_own_data",
        summary="See how much is stored of you, and how an erasure gets on",
        responses={200: serializers.OwnDataSerializer, 401: NOT_SIGNED_IN, 403: NO_SCOPE},
    )
    def get(self, request: Request) -> Response:
        return Response(own_data(listener_of_request(request).user_id), headers=PRIVATE)

    @extend_schema(
        operation_id="erase_own_data",
        summary="Delete everything that you have said up to now",
        description=(
            "All your sessions with their finals, corrections, metadata and stored audio, whichever of your API keys they were "
            "recorded with. Those that are being spoken are ended first (`data_erased`). It takes up to a minute; `erasure` in "
            "`GET /api/v1/me/data/` says when it is done. Your account and your API keys stay."
        ),
        responses={202: serializers.ErasureSerializer, 401: NOT_SIGNED_IN, 403: NO_SCOPE},
    )
    def delete(self, request: Request) -> Response:
        wish = erasure.request_erasure(listener_of_request(request).user_id)
        return Response(serializers.ErasureSerializer(wish).data, status=status.HTTP_202_ACCEPTED, headers=PRIVATE)


class OwnExport(APIView):
    renderer_classes = (renderers.ZipRenderer,)

    @extend_schema(
        operation_id="export_own_data",
        summary="Download everything that is stored of you",
        description=(
            "A ZIP file: `account.json`, and for each session `sessions/ID.json` (what its transcript holds, metadata, "
            "corrections) and its audio, where that is stored. It is made while it is sent, so its size is not known before."
        ),
        responses={
            (200, "application/zip"): OpenApiTypes.BINARY,
            (401, "application/json"): NOT_SIGNED_IN,
            (403, "application/json"): NO_SCOPE,
        },
    )
    def get(self, request: Request) -> StreamingHttpResponse:
        pieces = export.export_pieces(listener_of_request(request).user_id)
        return download(pieces, "application/zip", export.file_name(timezone.now()))


@extend_schema(parameters=[SESSION_ID])
class SessionAudioList(SessionView):
    @extend_schema(
        operation_id="list_session_audio",
        summary="List the stored audio of a session",
        description="Empty unless the session was to be stored (`store_audio`), and while it is being spoken.",
        responses={200: serializers.StoredAudioSerializer(many=True), 401: NOT_SIGNED_IN, 403: NO_SCOPE, 404: NOT_FOUND},
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        return Response(serializers.StoredAudioSerializer(self.get_object().audio.all(), many=True).data)


@extend_schema(parameters=[SESSION_ID, AUDIO_NUMBER])
class SessionAudio(SessionView):
    renderer_classes = (renderers.FlacRenderer,)

    @extend_schema(
        operation_id="get_session_audio",
        summary="Download a stretch of stored audio",
        responses={
            (200, "audio/flac"): OpenApiTypes.BINARY,
            (401, "application/json"): NOT_SIGNED_IN,
            (403, "application/json"): NO_SCOPE,
            (404, "application/json"): OpenApiResponse(
                serializers.ErrorSerializer, description="No such session, nothing stored of it (any more), or somebody else's."
            ),
        },
    )
    def get(self, request: Request, session_id: UUID, number: int) -> StreamingHttpResponse:
        audio = self.get_object().audio.filter(number=number).first()
        if audio is None:
            raise exceptions.NotFound
        path = path_of(session_id, number)
        try:
            pieces, num_bytes = pieces_of(path)
        except FileNotFoundError as err:
            raise exceptions.NotFound from err
        return download(pieces, "audio/flac", path.name, num_bytes)


def own_data(user_id: int | None) -> dict[str, Any]:
    """As OwnDataSerializer describes it. user_id: None for what belongs to nobody."""
    held = held_of(user_id)
    return {
        "sessions": held.num_sessions,
        "segments": held.num_segments,
        "audio_bytes": held.audio_bytes,
        "oldest_at": held.oldest_at,
        "retention_days": settings.HARK_RETENTION_DAYS,
        "audio_ttl_days": settings.HARK_AUDIO_TTL_DAYS,
        "erasure": None if held.erasure is None else serializers.ErasureSerializer(held.erasure).data,
    }
