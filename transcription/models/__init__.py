"""The tables. What was said, and who may listen, is in `transcripts`; which model serves whom is in `serving`;
what was measured is in `observing`, whom it worries in `alerting`."""

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
from transcription.models.serving import (
    GENERAL,
    ASRModel,
    ModelRoute,
    ModelSchedule,
    ModelSwap,
    RouteOverride,
)
from transcription.models.transcripts import (
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
    "GENERAL",
    "ASRModel",
    "AlertChannel",
    "AlertDelivery",
    "AlertEvent",
    "AlertEventQuerySet",
    "AlertRule",
    "AlertStanding",
    "ApiKey",
    "ApiKeyQuerySet",
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
    "StreamTicket",
]
