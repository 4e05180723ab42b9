"""How much is kept of somebody."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Min, Sum

from transcription.models import Erasure, Segment, Session, StoredAudio


@dataclass(frozen=True, slots=True)
class Holdings:
    """`oldest_at`: when the oldest session began. `erasure`: the last one, done or under way."""

    num_sessions: int
    num_segments: int
    audio_bytes: int
    oldest_at: datetime | None
    erasure: Erasure | None


def held_of(user_id: int | None) -> Holdings:
    """What belongs to `user_id`; None: what belongs to nobody."""
    sessions = Session.objects.filter(owner=user_id)
    audio = StoredAudio.objects.filter(session__owner=user_id).aggregate(total=Sum("num_bytes"))
    return Holdings(
        num_sessions=sessions.count(),
        num_segments=Segment.objects.filter(session__owner=user_id).count(),
        audio_bytes=audio["total"] or 0,
        oldest_at=sessions.aggregate(oldest=Min("started_at"))["oldest"],
        erasure=Erasure.objects.filter(user=user_id).first(),
    )
