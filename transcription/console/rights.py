"""Who may see the console, end sessions in it, and read there what is being said. Every function blocks: call it in a thread."""

from dataclasses import dataclass
from typing import Final

from django.contrib.auth.models import AnonymousUser, User

WATCH: Final = "transcription.watch_live"
END: Final = "transcription.end_live"
READ: Final = "transcription.view_session"
SEE_ALERTS: Final = "transcription.view_alertevent"


@dataclass(frozen=True, slots=True)
class Rights:
    """Of somebody who may see the console. `may_read`: what is said, as those may who read stored transcripts."""

    may_end: bool
    may_read: bool
    may_see_alerts: bool


def rights_of(user: User | AnonymousUser) -> Rights | None:
    """None: the console is not for them."""
    if not user.is_active or not user.is_staff or not user.has_perm(WATCH):
        return None
    return Rights(may_end=user.has_perm(END), may_read=user.has_perm(READ), may_see_alerts=user.has_perm(SEE_ALERTS))


def current_rights(user_id: int) -> Rights | None:
    """As they are in the database now."""
    user = User.objects.filter(pk=user_id).first()
    return None if user is None else rights_of(user)
