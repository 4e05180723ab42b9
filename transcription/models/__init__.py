"""The tables. What was said, and who may listen, is in `transcripts`; which model serves whom is in `serving`;
what was measured is in `observing`, whom it worries in `alerting`, how right the text is in `accuracy`,
what is kept or forgotten of people in `privacy`."""

from transcription.models.accuracy import CANARY_USER, MAX_CORRECTION_CHARS, CanaryRun, Correction
from transcription.models.alerting import (
    AlertChannel,
    AlertDelivery,
    AlertEvent,
    AlertEventQuerySet,
    AlertRule,
    AlertStanding,
    Severity,
)
from transcription.models.observing import MetricSample, MetricSeries
from transcription.models.privacy import Erasure, StoredAudio
from transcription.models.serving import (
    GENERAL,
    ASRModel,
    ModelRoute,
    ModelSchedule,
    ModelSwap,
    RouteOverride,
)
from transcription.models.transcripts import (
    MAX_RETENTION_DAYS,
    ApiKey,
    ApiKeyQuerySet,
    ResumePoint,
    Segment,
    Session,
    SessionQuerySet,
    SocketLease,
    StreamTicket,
)

__all__ = [
    "CANARY_USER",
    "GENERAL",
    "MAX_CORRECTION_CHARS",
    "MAX_RETENTION_DAYS",
    "ASRModel",
    "AlertChannel",
    "AlertDelivery",
    "AlertEvent",
    "AlertEventQuerySet",
    "AlertRule",
    "AlertStanding",
    "ApiKey",
    "ApiKeyQuerySet",
    "CanaryRun",
    "Correction",
    "Erasure",
    "MetricSample",
    "MetricSeries",
    "ModelRoute",
    "ModelSchedule",
    "ModelSwap",
    "ResumePoint",
    "RouteOverride",
    "Segment",
    "Session",
    "SessionQuerySet",
    "Severity",
    "SocketLease",
    "StoredAudio",
    "StreamTicket",
]
