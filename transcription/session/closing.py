"""How a session says farewell: the one terminal message, and the close code behind it. Pure."""

from typing import Final

from transcription.protocol import CloseCode, Done, GoingAway, SessionError
from transcription.session.account import Account
from transcription.session.actions import Close, Send

PLAIN_CLOSES_IN_S: Final = 20

CLOSE_CODES: Final = {
    "inference_unavailable": CloseCode.FULL,
    "server_full": CloseCode.FULL,
    "model_unloaded": CloseCode.FULL,
    "storage_unavailable": CloseCode.FULL,
    "server_draining": CloseCode.DRAINING,
    "recognition_failed": CloseCode.INTERNAL,
    "internal": CloseCode.INTERNAL,
    "frame_too_large": CloseCode.POLICY,
    "message_too_long": CloseCode.POLICY,
    "too_many_bad_messages": CloseCode.POLICY,
    "slow_client": CloseCode.POLICY,
    "session_too_long": CloseCode.POLICY,
    "data_erased": CloseCode.POLICY,
    "access_revoked": CloseCode.POLICY,
    "ended_by_operator": CloseCode.POLICY,
    "quota_exhausted": CloseCode.POLICY,
    "idle_timeout": CloseCode.IDLE,
    "unknown_session": CloseCode.UNKNOWN_SESSION,
    "model_not_allowed": CloseCode.FORBIDDEN,
    "store_audio_not_allowed": CloseCode.FORBIDDEN,
}
"""By the code of the error; any other is a bad request."""


CRASHED: Final = SessionError(
    code="internal",
    message="The server failed to handle this session. The text so far is kept; please reconnect.",
    retryable=False,
)
"""Something of ours broke."""


def done_message(session_id: str, account: Account, num_segments: int) -> Done:
    return Done(
        session=session_id,
        received_ms=account.received_ms,
        transcribed_ms=account.transcribed_ms,
        silence_ms=account.silence_ms,
        gap_ms=account.gap_ms,
        num_segments=num_segments,
        complete=account.is_complete,
    )


def farewell(done: Done, *, is_draining: bool = False) -> list[Send | Close]:
    return [Send(done), Close(CloseCode.DRAINING if is_draining else CloseCode.DONE, "done")]


def failure(error: SessionError) -> list[Send | Close]:
    return [Send(error), Close(CLOSE_CODES.get(error.code, CloseCode.BAD_REQUEST), error.code)]


def departure(resume_s: int | None) -> Send:
    """The server stops. `resume_s`: how long the session can be resumed elsewhere; None: it is brought to its end here."""
    going = GoingAway(reason="server_draining", resume_within_s=resume_s, closes_in_s=0 if resume_s else PLAIN_CLOSES_IN_S)
    return Send(going)


CLOSE_DRAINING: Final = Close(CloseCode.DRAINING, "server_draining")
