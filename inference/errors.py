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


class UnknownLanguageModelError(InferenceError):
    code = "unknown_language_model"


class LanguageModelError(InferenceError):
    """A language model is damaged, or cannot be built."""

    code = "language_model_unusable"


class NameTakenError(InferenceError):
    """Another model has the name."""

    code = "name_taken"


class NoMemoryError(InferenceError):
    """A model needs more than there is."""

    code = "out_of_memory"
    is_retryable = True


class CanaryError(InferenceError):
    """A model was loaded and does not hear what it must, or not fast enough."""

    code = "canary_failed"


class ModelNeededError(InferenceError):
    """A model cannot be unloaded: streams would be left without one."""

    code = "model_needed"


class ModelGoneError(InferenceError):
    """A stream's model was unloaded, and no other one knows its languages."""

    code = "model_unloaded"
    is_retryable = True


class ModelKeptError(InferenceError):
    """A model that was to be unloaded was asked for again meanwhile."""

    code = "model_kept"


class NotReadyError(InferenceError):
    """The inference process cannot do that yet."""

    code = "not_ready"
    is_retryable = True


class LoadError(InferenceError):
    """A model broke while it was loaded, in a way that nobody foresaw."""

    code = "load_failed"


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


class MovedError(FullError):
    """The process makes room for another model; others have that of the stream."""

    def __init__(self) -> None:
        super().__init__(f"The model of this stream makes room for another one. Try again in {self.retry_after_s} seconds.")


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
