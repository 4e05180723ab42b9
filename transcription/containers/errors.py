"""The one way in which a container can fail."""

from typing import Final


class UndecodableAudioError(Exception):
    """The bytes cannot be decoded. `message` says what came and what to do, and is safe to show."""

    code: Final = "undecodable_audio"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message
