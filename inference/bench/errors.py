"""Why nothing could be measured. Not of the tree of `inference.errors`: no client ever hears of it."""


class BenchError(Exception):
    """Its text is a sentence for the operator."""
