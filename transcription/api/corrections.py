"""REST: speakers say what was truly said in a segment. The final stays as it is; how wrong it was is measured by it."""

from typing import ClassVar
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, OpenApiResponse, extend_schema
from rest_framework import exceptions, status
from rest_framework.request import Request
from rest_framework.response import Response

from transcription.accuracy import corrections
from transcription.api import serializers
from transcription.api.views import NO_SCOPE, NOT_SIGNED_IN, SESSION_ID, SessionView
from transcription.listeners import Scope
from transcription.models import Correction, Segment

NUMBER = OpenApiParameter("number", int, OpenApiParameter.PATH, description="Number of the segment in its session, from 0.")
NO_SEGMENT = OpenApiResponse(serializers.ErrorSerializer, description="No such session or segment, or it is somebody else's.")
NO_CORRECTION = OpenApiResponse(serializers.ErrorSerializer, description="As above, or nobody has corrected it.")
BAD_TEXT = OpenApiResponse(serializers.ErrorSerializer, description="The text is missing, too long, or no text.")


@extend_schema(parameters=[SESSION_ID, NUMBER])
class SegmentCorrection(SessionView):
    needed_scopes: ClassVar = {"POST": Scope.CORRECT, "DELETE": Scope.CORRECT}

    @extend_schema(
        operation_id="get_correction",
        summary="Read the correction of a segment",
        responses={200: serializers.CorrectionSerializer, 401: NOT_SIGNED_IN, 403: NO_SCOPE, 404: NO_CORRECTION},
    )
    def get(self, request: Request, session_id: UUID, number: int) -> Response:
        correction = Correction.objects.filter(segment=self._segment(number)).first()
        if correction is None:
            raise exceptions.NotFound
        return Response(serializers.CorrectionSerializer(correction).data)

    @extend_schema(
        operation_id="correct_segment",
        summary="Say what was truly said in a segment",
        description=(
            "The final stays as it is. How many of its words are wrong counts for the figures of its model and language; the "
            "text is kept with the session, and deleted with it. A second correction takes the place of the first."
        ),
        request=serializers.CorrectionTextSerializer,
        responses={
            200: serializers.CorrectionSerializer,
            400: BAD_TEXT,
            401: NOT_SIGNED_IN,
            403: NO_SCOPE,
            404: NO_SEGMENT,
        },
    )
    def post(self, request: Request, session_id: UUID, number: int) -> Response:
        segment = self._segment(number)
        sent = serializers.CorrectionTextSerializer(data=request.data)
        sent.is_valid(raise_exception=True)
        correction = corrections.correct(segment, sent.validated_data["text"])
        return Response(serializers.CorrectionSerializer(correction).data)

    @extend_schema(
        operation_id="withdraw_correction",
        summary="Take the correction of a segment back",
        responses={204: None, 401: NOT_SIGNED_IN, 403: NO_SCOPE, 404: NO_SEGMENT},
    )
    def delete(self, request: Request, session_id: UUID, number: int) -> Response:
        corrections.withdraw(self._segment(number))
        return Response(status=status.HTTP_204_NO_CONTENT)

    def _segment(self, number: int) -> Segment:
        segment = self.get_object().segments.filter(number=number).first()
        if segment is None:
            raise exceptions.NotFound
        return segment
