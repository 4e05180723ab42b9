"""Why a swap cannot go on, as sentences for operators."""


class SwapFailed(Exception):
    """The text is what the operator reads; the old model goes on serving."""


class MemoryTooShort(SwapFailed):
    """An inference process has too little for another model beside those that it has."""
