"""A stream as the recognition loop has it: with the link that it came over, and what engines remember of it."""

from typing import Any

from inference.engines.base import Engine
from inference.stream import Stream


class Draft:
    """What another engine than that of finals remembers of one segment, whose partial texts it writes. `number`: as
    `Stream.num_begun`."""

    def __init__(self, engine: Engine[Any], number: int) -> None:
        self.engine = engine
        self.state = engine.open_stream()
        self.number = number


class Client:
    """A stream, the link that it came over, and the memory that `engine` has of it. `waiting_s`: since when it wants a step."""

    def __init__(self, link_id: int, stream: Stream, engine: Engine[Any]) -> None:
        self.link_id = link_id
        self.stream = stream
        self.engine = engine
        self.state = engine.open_stream()
        self.draft: Draft | None = None
        self.waiting_s: float | None = None

    def drop_draft(self) -> None:
        """Let the engine forget what it wrote."""
        if self.draft is not None:
            self.draft.engine.finish(self.draft.state)
            self.draft = None
