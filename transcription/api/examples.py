"""Examples that the REST schema shows: one short transcript in every format, written by the real exporters."""

from datetime import UTC, datetime
from uuid import UUID

from drf_spectacular.utils import OpenApiExample

from transcription import exports

TRANSCRIPT = exports.Transcript(
    session_id=UUID("7d1f6a52-3c0e-4a55-9b55-1f6f1f0c8a11"),
    status="complete",
    error_code="",
    language="en",
    model="whisper-tiny.en",
    started_at=datetime(2026, 1, 31, 9, 0, tzinfo=UTC),
    ended_at=datetime(2026, 1, 31, 9, 0, 4, tzinfo=UTC),
    received_ms=4_000,
    transcribed_ms=2_200,
    silence_ms=1_800,
    gap_ms=0,
    segments=(
        exports.TranscriptSegment(
            number=0,
            text="Good morning, everybody.",
            start_ms=640,
            end_ms=2_840,
            confidence=0.94,
            language="en",
            model="whisper-tiny.en",
            words=(
                exports.TranscriptWord("Good", 640, 900, 0.97),
                exports.TranscriptWord("morning,", 900, 1_480, 0.95),
                exports.TranscriptWord("everybody.", 1_560, 2_840, 0.91),
            ),
        ),
    ),
)
TRANSCRIPTS = [
    OpenApiExample("JSON", value=exports.to_json(TRANSCRIPT), media_type="application/json", response_only=True),
    OpenApiExample("Plain text", value=exports.to_txt(TRANSCRIPT), media_type="text/plain", response_only=True),
    OpenApiExample("SubRip", value=exports.to_srt(TRANSCRIPT), media_type="application/x-subrip", response_only=True),
    OpenApiExample("WebVTT", value=exports.to_vtt(TRANSCRIPT), media_type="text/vtt", response_only=True),
]
BAD_STATUS = OpenApiExample(
    "Bad status",
    value={
        "error": {
            "code": "invalid_parameter",
            "message": "Parameter 'status' is 'done'; expected one of live, complete, incomplete, failed.",
            "details": [{"parameter": "status", "received": "done", "expected": "one of live, complete, incomplete, failed"}],
        }
    },
)
