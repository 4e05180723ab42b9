"""Transcripts as the bytes of each export format. A renderer here takes a `transcription.exports.Transcript`."""

from collections.abc import Iterable, Mapping
from typing import Any

from rest_framework.exceptions import ValidationError
from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.renderers import BaseRenderer, JSONRenderer
from rest_framework.request import Request

from transcription import exports


class TranscriptJSONRenderer(JSONRenderer):
    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        rendered: bytes = super().render(exports.to_json(data), accepted_media_type, renderer_context)
        return rendered


class TranscriptTextRenderer(BaseRenderer):
    media_type = "text/plain"
    format = "txt"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return exports.to_txt(data).encode()


class SubRipRenderer(BaseRenderer):
    media_type = "application/x-subrip"
    format = "srt"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return exports.to_srt(data).encode()


class WebVTTRenderer(BaseRenderer):
    media_type = "text/vtt"
    format = "vtt"
    charset = "utf-8"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Mapping[str, Any] | None = None
    ) -> bytes:
        return exports.to_vtt(data).encode()


class ZipRenderer(BaseRenderer):
    """Of a view that answers with a file of its own making: only there so that clients may ask for its type."""

    media_type = "application/zip"
    format = "zip"
    charset = None
    render_style = "binary"


class FlacRenderer(ZipRenderer):
    media_type = "audio/flac"
    format = "flac"


class FormatOrAccept(DefaultContentNegotiation):
    """`?format=` decides alone when it is given; else the Accept header does."""

    def select_renderer(
        self, request: Request, renderers: Iterable[BaseRenderer], format_suffix: str | None = None
    ) -> tuple[Any, str]:
        wanted = request.query_params.get("format")
        if wanted is None:
            chosen: tuple[Any, str] = super().select_renderer(request, renderers, format_suffix)
            return chosen
        for renderer in renderers:
            if renderer.format == wanted:
                return renderer, renderer.media_type
        raise ValidationError({"format": f"one of {', '.join(renderer.format for renderer in renderers)}"})
