"""What training refuses, each with a sentence for the person in front of it."""

from inference.errors import InferenceError


class TrainingError(InferenceError):
    """Base of what goes wrong here; nothing was changed."""

    code = "training_refused"


class CorpusError(TrainingError):
    """Speech, texts or their list are missing or damaged."""


class WorseModelError(TrainingError):
    """A fine-tuned model hears less well than the one that it came from."""
