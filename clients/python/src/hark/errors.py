"""What a caller may have to catch: one class for every failure, told apart by `code`, and one for a session that is gone."""


class HarkError(Exception):
    """A session that could not be opened, or that ended without `Done`.

    `code` never changes; `message` is for people. `retryable`: the same may succeed later, after `retry_after_s` where the
    server said so. Codes of the server are in its protocol page; those of this package in its README.
    """

    def __init__(self, code: str, message: str, *, retryable: bool = False, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.retryable = retryable
        self.retry_after_s = retry_after_s

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.code!r}, {self.message!r})"


class ResumeImpossible(HarkError):
    """The server no longer knows the session. Audio between `from_ms` and `to_ms` was sent and has no final text."""

    def __init__(self, session: str, *, num_finals: int, from_ms: int, to_ms: int) -> None:
        super().__init__(
            "unknown_session",
            f"The server no longer knows session {session}. {num_finals} finals had come; what was said between "
            f"{from_ms / 1000:.1f} s and {to_ms / 1000:.1f} s has no final text. Send it again in a new session, or connect "
            'with on_lost_session="restart".',
        )
        self.session = session
        self.num_finals = num_finals
        self.from_ms = from_ms
        self.to_ms = to_ms
