"""The REST API: stored sessions, their transcripts, and tickets. The models that serve are in `transcription.api.serving`."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from django_filters.rest_framework import DjangoFilterBackend
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema, extend_schema_view
from rest_framework import exceptions, generics, status
from rest_framework.filters import BaseFilterBackend
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from transcription import exports, services
from transcription.access import keys
from transcription.api import renderers, serializers
from transcription.api.errors import SessionLiveConflict
from transcription.api.examples import BAD_STATUS, TRANSCRIPTS
from transcription.api.filters import KnownParametersOnly, SessionFilter
from transcription.api.pagination import SessionPagination
from transcription.listeners import Scope, listener_of_request
from transcription.models import Session, SessionQuerySet

REFUSED = OpenApiResponse(
    serializers.ErrorSerializer, description="A parameter is not valid; `details` names it.", examples=[BAD_STATUS]
)
NOT_SIGNED_IN = OpenApiResponse(serializers.ErrorSerializer, description="No valid credentials, and no trusted local visitor.")
NO_SCOPE = OpenApiResponse(serializers.ErrorSerializer, description="The API key lacks the scope; or the CSRF token is missing.")
NOT_FOUND = OpenApiResponse(serializers.ErrorSerializer, description="No such session, or it is somebody else's.")
STILL_LIVE = OpenApiResponse(serializers.ErrorSerializer, description="The session is still being spoken.")
SESSION_ID = OpenApiParameter("session_id", OpenApiTypes.UUID, OpenApiParameter.PATH, description="Identifier of the session.")


class SessionView(generics.GenericAPIView[Session]):
    """Base of all views on stored sessions: a listener sees their own and nothing else, staff included."""

    lookup_url_kwarg = "session_id"
    filter_backends: Sequence[type[BaseFilterBackend]] = ()

    @property
    def default_response_headers(self) -> dict[str, str]:
        """What was said in confidence stays in no cache."""
        return {**super().default_response_headers, "Cache-Control": "private, no-store"}

    def get_queryset(self) -> SessionQuerySet:
        return Session.objects.visible_to(listener_of_request(self.request))


@extend_schema_view(
    get=extend_schema(
        operation_id="list_sessions",
        summary="List sessions",
        description="Your sessions, newest first. All filters that are given must hold; an unknown parameter is refused.",
        responses={200: serializers.SessionSerializer(many=True), 400: REFUSED, 401: NOT_SIGNED_IN, 403: NO_SCOPE},
    )
)
class SessionList(SessionView, generics.ListAPIView[Session]):
    serializer_class = serializers.SessionSerializer
    pagination_class = SessionPagination
    filter_backends = (KnownParametersOnly, DjangoFilterBackend)
    filterset_class = SessionFilter

    def get_queryset(self) -> SessionQuerySet:
        return super().get_queryset().with_num_segments()


@extend_schema(parameters=[SESSION_ID])
class SessionDetail(SessionView, generics.RetrieveAPIView[Session]):
    serializer_class = serializers.SessionDetailSerializer

    def get_queryset(self) -> SessionQuerySet:
        return super().get_queryset().with_num_segments()

    @extend_schema(
        operation_id="get_session",
        summary="Read a session with its segments",
        responses={200: serializers.SessionDetailSerializer, 401: NOT_SIGNED_IN, 403: NO_SCOPE, 404: NOT_FOUND},
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return self.retrieve(request, *args, **kwargs)

    @extend_schema(
        operation_id="delete_session",
        summary="Delete a session and everything that was said in it",
        responses={204: None, 401: NOT_SIGNED_IN, 403: NO_SCOPE, 404: NOT_FOUND, 409: STILL_LIVE},
    )
    def delete(self, request: Request, session_id: UUID) -> Response:
        try:
            services.delete_session(self.get_object())
        except services.SessionIsLive as err:
            raise SessionLiveConflict from err
        return Response(status=status.HTTP_204_NO_CONTENT)


class SessionTranscript(SessionView):
    renderer_classes = (
        renderers.TranscriptJSONRenderer,
        renderers.TranscriptTextRenderer,
        renderers.SubRipRenderer,
        renderers.WebVTTRenderer,
    )
    content_negotiation_class = renderers.FormatOrAccept

    def get_queryset(self) -> SessionQuerySet:
        return super().get_queryset().prefetch_related("segments")

    @extend_schema(
        operation_id="get_transcript",
        summary="Read or download a transcript",
        description=(
            "The format is chosen by `format`, or else by the Accept header. A transcript that is not complete says so: by "
            "`notice` in JSON, by a first line in brackets in plain text, by a NOTE in WebVTT, and in every format, SubRip "
            "included, by its file name and the header `X-Transcript-Complete: false`. Captions last at most 7 s and have at "
            "most 2 lines of 42 columns, where wide East Asian characters take two."
        ),
        parameters=[
            SESSION_ID,
            OpenApiParameter("format", str, description="Format of the answer.", enum=["json", "txt", "srt", "vtt"]),
            OpenApiParameter("download", str, description="1: answer as a file to save.", enum=["0", "1"]),
        ],
        examples=TRANSCRIPTS,
        responses={
            (200, "application/json"): serializers.TranscriptSerializer,
            (200, "text/plain"): OpenApiTypes.STR,
            (200, "application/x-subrip"): OpenApiTypes.STR,
            (200, "text/vtt"): OpenApiTypes.STR,
            (400, "application/json"): REFUSED,
            (401, "application/json"): NOT_SIGNED_IN,
            (403, "application/json"): NO_SCOPE,
            (404, "application/json"): NOT_FOUND,
        },
    )
    def get(self, request: Request, session_id: UUID) -> Response:
        disposition = {"0": "inline", "1": "attachment"}.get(request.query_params.get("download", "0"))
        if disposition is None:
            raise exceptions.ValidationError({"download": "0 or 1"})
        transcript = self.get_object().transcript()
        name = exports.file_name(transcript, request.accepted_renderer.format)
        headers = {
            "Content-Disposition": f'{disposition}; filename="{name}"',
            "X-Transcript-Complete": str(transcript.is_complete).lower(),
        }
        return Response(transcript, headers=headers)


class StreamTicketList(APIView):
    needed_scope = Scope.STREAM

    @extend_schema(
        operation_id="create_stream_ticket",
        summary="Fetch a ticket for one WebSocket",
        description=(
            "For pages, which cannot send headers when they open a WebSocket: `/stream?ticket=…` opens one socket, once, within "
            "a minute, for whoever asked for the ticket."
        ),
        request=None,
        responses={201: serializers.StreamTicketSerializer, 401: NOT_SIGNED_IN, 403: NO_SCOPE},
    )
    def post(self, request: Request) -> Response:
        listener = listener_of_request(request)
        session_key = (request.session.session_key or "") if listener.key_id is None and listener.user_id is not None else ""
        ticket = {"ticket": keys.make_ticket(listener, session_key), "expires_in_s": keys.TICKET_S}
        return Response(ticket, status=status.HTTP_201_CREATED, headers={"Cache-Control": "no-store"})


@extend_schema(exclude=True)
class UnknownAddress(APIView):
    """Every other address under the API: the error has the API's shape, not that of a page."""

    def get(self, request: Request, path: str) -> Response:
        raise exceptions.NotFound

    post = put = patch = delete = get
