"""A stream as the recognition loop has it: with the link that it came over, and what engines remember of it; and how one ends
that failed."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from inference.engines.base import Engine
from inference.errors import InferenceError, StepError
from inference.logs import about
from inference.messages import failure
from inference.stream import Stream

logger = logging.getLogger(__name__)

STREAM_FAILED: Final = "Recognition of this audio failed. The text so far is kept; reconnect to go on."


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


def give_up(stream: Stream, err: InferenceError) -> None:
    """End the stream with `err`, unless it has ended: until the end of the pass somebody may still find it."""
    if not stream.is_done:
        stream.events.append(failure(stream.stream_id, err))
        stream.is_done = True


def about_stream(stream: Stream) -> dict[str, object]:
    """For log lines."""
    return about(stream.session, stream=stream.stream_id)


@contextmanager
def sparing_others(stream: Stream) -> Iterator[None]:
    """A fault in here ends this one stream; without that its replay would end the process again and again, for everybody."""
    try:
        yield
    except Exception:
        logger.exception("stream %d failed", stream.stream_id, extra=about_stream(stream))
        give_up(stream, StepError(STREAM_FAILED))
