"""Shapes of the REST API's answers, and the descriptions that its schema shows."""

from datetime import datetime, timedelta
from typing import Any, ClassVar

from django.conf import settings
from rest_framework import serializers

from transcription.models import MAX_CORRECTION_CHARS, ASRModel, Correction, Segment, Session, StoredAudio


class WordSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(help_text="The word as it stands in the final.")
    start_ms = serializers.IntegerField(help_text="Milliseconds from the session's first sample to the start of the word.")
    end_ms = serializers.IntegerField(help_text="Milliseconds from the session's first sample to the end of the word.")
    confidence = serializers.FloatField(help_text="How sure the model is, 0 to 1.")


SEGMENT_KWARGS: dict[str, dict[str, Any]] = {
    "text": {"help_text": "The final text; it never changes. Empty when the segment held no words."},
    "start_ms": {"help_text": "Milliseconds from the session's first sample to the start of the segment."},
    "end_ms": {"help_text": "Milliseconds from the session's first sample to the end of the segment."},
    "language": {"help_text": "Language tag that was recognised."},
    "confidence": {"help_text": "How sure the model is of the whole text, 0 to 1."},
    "model": {"help_text": "Name of the model that wrote the text."},
}


class SegmentSerializer(serializers.ModelSerializer[Segment]):
    segment = serializers.IntegerField(source="number", help_text="0, 1, 2 … within the session, as in the WebSocket messages.")
    words = WordSerializer(many=True, help_text="Words with times; empty when the client asked for none.")

    class Meta:
        model = Segment
        fields: ClassVar = ["segment", "text", "start_ms", "end_ms", "language", "confidence", "model", "words"]
        read_only_fields = fields
        extra_kwargs = SEGMENT_KWARGS


SESSION_KWARGS: dict[str, dict[str, Any]] = {
    "id": {"help_text": "Identifier of the session, the one in the WebSocket's `ready` message."},
    "status": {
        "help_text": "live: being spoken. complete: ended, everything accounted for. incomplete: audio or text may be missing. "
        "failed: ended by an error."
    },
    "error_code": {"help_text": "Stable code of what ended the session; empty when nothing went wrong."},
    "client": {"help_text": "What the client calls itself."},
    "model": {"help_text": "Name of the model that the session was started with."},
    "language": {"help_text": "Language tag asked for, or `auto`."},
    "started_at": {"help_text": "When the stream was opened (ISO 8601)."},
    "ended_at": {"help_text": "When it ended; null while it is live."},
    "received_ms": {"help_text": "Audio that came, in milliseconds: transcribed + silence + gap. Set when the session ends."},
    "transcribed_ms": {"help_text": "Audio that was recognised as speech, in milliseconds."},
    "silence_ms": {"help_text": "Audio that held no speech, in milliseconds."},
    "gap_ms": {"help_text": "Audio that is missing for good, in milliseconds."},
}


class SessionSerializer(serializers.ModelSerializer[Session]):
    complete = serializers.BooleanField(source="is_complete", help_text="Whether nothing is missing: status is `complete`.")
    duration_ms = serializers.IntegerField(allow_null=True, help_text="From start to end by the clock; null while it is live.")
    num_segments = serializers.IntegerField(help_text="How many finals are stored.")
    metadata = serializers.DictField(help_text="What the client sent as `metadata` when it started.")
    latency = serializers.DictField(
        child=serializers.FloatField(), help_text="Summary of the session's latency, in milliseconds."
    )

    class Meta:
        model = Session
        fields: ClassVar = [
            "id", "status", "complete", "error_code", "client", "model", "language", "started_at", "ended_at", "duration_ms",
            "received_ms", "transcribed_ms", "silence_ms", "gap_ms", "num_segments", "metadata", "latency",
        ]  # fmt: skip
        read_only_fields = fields
        extra_kwargs = SESSION_KWARGS


class SessionDetailSerializer(SessionSerializer):
    segments = SegmentSerializer(many=True, help_text="The finals, in order.")

    class Meta(SessionSerializer.Meta):
        fields: ClassVar = [*SessionSerializer.Meta.fields, "segments"]
        read_only_fields = fields


class TranscriptSegmentSerializer(serializers.Serializer[Any]):
    segment = serializers.IntegerField(help_text="0, 1, 2 … within the session.")
    text = serializers.CharField(help_text=SEGMENT_KWARGS["text"]["help_text"])
    start_ms = serializers.IntegerField(help_text=SEGMENT_KWARGS["start_ms"]["help_text"])
    end_ms = serializers.IntegerField(help_text=SEGMENT_KWARGS["end_ms"]["help_text"])
    confidence = serializers.FloatField(help_text=SEGMENT_KWARGS["confidence"]["help_text"])
    language = serializers.CharField(help_text=SEGMENT_KWARGS["language"]["help_text"])
    model = serializers.CharField(help_text=SEGMENT_KWARGS["model"]["help_text"])
    words = WordSerializer(many=True, help_text="Words with times.")


class TranscriptSerializer(serializers.Serializer[Any]):
    """Describes `transcription.exports.to_json`; a test compares the two."""

    session = serializers.UUIDField(help_text=SESSION_KWARGS["id"]["help_text"])
    complete = serializers.BooleanField(help_text="Whether nothing is missing.")
    notice = serializers.CharField(help_text="A sentence on what is missing; empty when the transcript is complete.")
    status = serializers.ChoiceField(choices=Session.Status.choices, help_text=SESSION_KWARGS["status"]["help_text"])
    error_code = serializers.CharField(help_text=SESSION_KWARGS["error_code"]["help_text"])
    language = serializers.CharField(help_text=SESSION_KWARGS["language"]["help_text"])
    model = serializers.CharField(help_text=SESSION_KWARGS["model"]["help_text"])
    started_at = serializers.DateTimeField(help_text=SESSION_KWARGS["started_at"]["help_text"])
    ended_at = serializers.DateTimeField(allow_null=True, help_text=SESSION_KWARGS["ended_at"]["help_text"])
    received_ms = serializers.IntegerField(help_text=SESSION_KWARGS["received_ms"]["help_text"])
    transcribed_ms = serializers.IntegerField(help_text=SESSION_KWARGS["transcribed_ms"]["help_text"])
    silence_ms = serializers.IntegerField(help_text=SESSION_KWARGS["silence_ms"]["help_text"])
    gap_ms = serializers.IntegerField(help_text=SESSION_KWARGS["gap_ms"]["help_text"])
    text = serializers.CharField(help_text="The finals, one a line.")
    segments = TranscriptSegmentSerializer(many=True, help_text="The finals, in order.")


class StreamTicketSerializer(serializers.Serializer[Any]):
    ticket = serializers.CharField(help_text="To be sent as the parameter `ticket` of `/stream`; good for one handshake.")
    expires_in_s = serializers.IntegerField(help_text="Seconds until it is worth nothing.")


class ModelInfoSerializer(serializers.Serializer[Any]):
    name = serializers.CharField(help_text="Name to send as `model` when a session starts.")
    engine = serializers.CharField(help_text="Kind of engine that runs it.")
    languages = serializers.ListField(child=serializers.CharField(), help_text="Language tags it knows; empty: any.")
    multilingual = serializers.BooleanField(help_text="Whether it can detect the language by itself.")
    precision = serializers.CharField(help_text="What it computes with, such as fp32 or int8; empty where that is no question.")
    memory_bytes = serializers.IntegerField(help_text="What an inference process grew by when it was loaded; 0: not known.")
    is_draining = serializers.BooleanField(help_text="Whether it takes no new streams and will be unloaded.")
    uses = serializers.ListField(
        child=serializers.CharField(), help_text="What it makes use of in `start`: `language_model`, `hotwords`, both or neither."
    )


class CatalogueEntrySerializer(serializers.ModelSerializer[ASRModel]):
    is_loaded = serializers.BooleanField(help_text="Whether an inference process has it in memory now.")

    class Meta:
        model = ASRModel
        fields: ClassVar = [
            "name", "engine", "languages", "multilingual", "precision", "licence", "size_bytes", "memory_bytes", "rtf", "wer",
            "is_loaded",
        ]  # fmt: skip
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "name": {"help_text": "Name of the model."},
            "engine": {"help_text": "Kind of engine that runs it."},
            "languages": {"help_text": "Language tags it knows; empty: any."},
            "multilingual": {"help_text": "Whether it can detect the language by itself."},
            "precision": {"help_text": "What it computes with; empty: what is best on the machine."},
            "licence": {"help_text": "Licence of its weights, as far as is known."},
            "size_bytes": {"help_text": "Size of its files; null: not known."},
            "memory_bytes": {"help_text": "What it will need in memory, estimated; null: not known."},
            "rtf": {"help_text": "Seconds of computing for a second of speech, as measured here; null: not measured."},
            "wer": {"help_text": "Share of words that it got wrong when it was measured here; null: not measured."},
        }


class RouteSerializer(serializers.Serializer[Any]):
    scenario = serializers.CharField(help_text="Name to send as `scenario` when a session starts.")
    language = serializers.CharField(help_text="Language tag; empty: any that has no route of its own in the scenario.")
    model = serializers.CharField(help_text="Name of the model that the route has now.")
    serving = serializers.CharField(help_text="The one that serves: `model`, or `fallback` while there is too much to do.")
    partial_model = serializers.CharField(help_text="The one that writes partial texts; empty: the one that serves does.")
    language_model = serializers.CharField(help_text="Name of the language model, or none; empty: the model's own.")
    fallback = serializers.CharField(help_text="Name of the lighter model; empty: there is none.")
    next_model = serializers.CharField(help_text="What the schedule changes to next; empty: nothing will change by itself.")
    next_at = serializers.DateTimeField(allow_null=True, help_text="When (ISO 8601); null: never.")


class RoutesSerializer(serializers.Serializer[Any]):
    routes = RouteSerializer(many=True, help_text="Routes in service, by scenario and language.")


class ModelsSerializer(serializers.Serializer[Any]):
    ready = serializers.BooleanField(help_text="Whether every model is loaded and warm, so that a session can start now.")
    detail = serializers.CharField(help_text="What is wrong or still going on; empty when all is well.")
    models = ModelInfoSerializer(many=True, help_text="Models that are loaded now.")
    catalogue = CatalogueEntrySerializer(many=True, help_text="Models of the catalogue that are enabled, loaded or not.")


class ErasureSerializer(serializers.Serializer[Any]):
    requested_at = serializers.DateTimeField(help_text="When it was asked for: what has begun by then is erased (ISO 8601).")
    finished_at = serializers.DateTimeField(allow_null=True, help_text="When all of it was gone; null: it is under way.")
    num_sessions = serializers.IntegerField(help_text="How many sessions were erased.")


class OwnDataSerializer(serializers.Serializer[Any]):
    sessions = serializers.IntegerField(help_text="Stored sessions, live ones included.")
    segments = serializers.IntegerField(help_text="Finals in them.")
    audio_bytes = serializers.IntegerField(help_text="Stored audio.")
    oldest_at = serializers.DateTimeField(allow_null=True, help_text="When the oldest session was started; null: there is none.")
    retention_days = serializers.IntegerField(
        help_text="After how many days the server deletes sessions; 0: never. API keys may have terms of their own."
    )
    audio_ttl_days = serializers.IntegerField(help_text="After how many days it deletes stored audio; 0: none is stored.")
    erasure = ErasureSerializer(allow_null=True, help_text="The last one; null: there was none.")


class StoredAudioSerializer(serializers.ModelSerializer[StoredAudio]):
    expires_at = serializers.SerializerMethodField(help_text="When it is deleted (ISO 8601).")

    class Meta:
        model = StoredAudio
        fields: ClassVar = ["number", "start_ms", "duration_ms", "sample_rate_hz", "num_bytes", "created_at", "expires_at"]
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "number": {"help_text": "Which stretch: there is more than one where another web process went on with the session."},
            "start_ms": {"help_text": "Milliseconds from the session's first sample to the first one in the file."},
            "duration_ms": {"help_text": "Length of the file in milliseconds. Gaps are silence."},
            "sample_rate_hz": {"help_text": "Samples a second, as the client sent it."},
            "num_bytes": {"help_text": "Size of the file."},
            "created_at": {"help_text": "When it was written (ISO 8601)."},
        }

    def get_expires_at(self, audio: StoredAudio) -> datetime:
        return audio.created_at + timedelta(days=settings.HARK_AUDIO_TTL_DAYS)


EXPECTED_CORRECTION = f"a text of at most {MAX_CORRECTION_CHARS} characters"


class CorrectionTextSerializer(serializers.Serializer[Any]):
    text = serializers.CharField(
        max_length=MAX_CORRECTION_CHARS,
        allow_blank=True,
        help_text="What was truly said in the segment; empty: nothing was.",
        error_messages=dict.fromkeys(("required", "null", "invalid", "max_length"), EXPECTED_CORRECTION),
    )


class CorrectionSerializer(serializers.ModelSerializer[Correction]):
    class Meta:
        model = Correction
        fields: ClassVar = ["text", "num_words", "num_errors", "model", "language", "corrected_at"]
        read_only_fields = fields
        extra_kwargs: ClassVar = {
            "text": {"help_text": "What was truly said, as it was sent."},
            "num_words": {"help_text": "Words of it; characters where a script has no spaces."},
            "num_errors": {"help_text": "Words of the segment that would have to be changed, added or taken away."},
            "model": {"help_text": "Name of the model that wrote the segment."},
            "language": {"help_text": "Language tag of the segment."},
            "corrected_at": {"help_text": "When it was sent (ISO 8601)."},
        }


class ErrorDetailSerializer(serializers.Serializer[Any]):
    parameter = serializers.CharField(help_text="Name of the parameter that was refused.")
    received = serializers.CharField(help_text="What came.")
    expected = serializers.CharField(help_text="What was expected.")


class ErrorBodySerializer(serializers.Serializer[Any]):
    code = serializers.CharField(help_text="Stable code for programs.")
    message = serializers.CharField(help_text="A sentence for people: what came, what was expected, what to do.")
    details = ErrorDetailSerializer(many=True, help_text="One entry for each refused parameter; else empty.")


class ErrorSerializer(serializers.Serializer[Any]):
    error = ErrorBodySerializer(help_text="What went wrong.")
