"""Every failure that the inference service reports to somebody else. `message` is a sentence that is safe to show."""


class InferenceError(Exception):
    """Base. `code` is stable; `is_retryable` says whether the same request may succeed later, `retry_after_s` when."""

    code = "internal"
    is_retryable = False
    retry_after_s: int | None = None

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class WeightsError(InferenceError):
    """A weight file is missing, damaged, or of another architecture."""

    code = "weights_unusable"


class UnknownModelError(InferenceError):
    code = "unknown_model"


class UnsupportedLanguageError(InferenceError):
    code = "unsupported_language"


class FullError(InferenceError):
    """No room for another stream now."""

    code = "server_full"
    is_retryable = True
    retry_after_s = 10


class OverloadedError(FullError):
    """Recognition cannot keep up with the streams that it has."""

    def __init__(self) -> None:
        super().__init__(f"Speech recognition has as much to do as it can. Try again in {self.retry_after_s} seconds.")


class StepError(InferenceError):
    """The engine failed while it worked on a stream."""

    code = "recognition_failed"
    is_retryable = True


class LinkLostError(InferenceError):
    """The inference process does not answer or went away."""

    code = "inference_unavailable"
    is_retryable = True


class ConfigError(InferenceError):
    """An environment variable holds a value that cannot be used."""

    code = "bad_configuration"
