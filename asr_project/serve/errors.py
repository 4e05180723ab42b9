"""How starting fails: each error's text is one sentence for the person at the terminal."""


class CannotStart(Exception):
    """A restart would not help. The text says what is wrong and what to do."""


class StopServing(Exception):
    """Somebody asked for an orderly end (Ctrl-C, SIGTERM)."""
