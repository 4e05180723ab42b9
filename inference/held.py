"""What streams say while the language model that they ask for is being read: it waits, and nobody else does."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from msgspec import UnsetType

from inference.decoding.lms import LanguageModels
from inference.messages import AnyStreamRequest, CancelStream, ConfigureStream

logger = logging.getLogger(__name__)

MAX_HELD_S: Final = 8.0
"""A million n-grams and more can be made of text in that time, and mapped in no time. The web process gives up a new stream that
says nothing for ten seconds."""

Key = tuple[int, int]
"""The number of a link, and that of a stream in it."""


@dataclass(slots=True)
class Hold:
    """timer: ends it where reading lasts too long."""

    timer: threading.Timer
    requests: list[AnyStreamRequest] = field(default_factory=list)


class HeldRequests:
    """Belongs to the recognition thread.

    Args:
        do: has a task carried out on that thread.
        go_on: called there with the stream and what it has said meanwhile, in order.
    """

    def __init__(
        self,
        language_models: LanguageModels,
        do: Callable[[Callable[[], None]], None],
        go_on: Callable[[Key, Sequence[AnyStreamRequest]], None],
    ) -> None:
        self._language_models = language_models
        self._do = do
        self._go_on = go_on
        self._holds: dict[Key, Hold] = {}
        self._given_up: dict[Key, str] = {}  # the language model that a stream does not wait for any more

    def takes(self, key: Key, request: AnyStreamRequest) -> bool:
        """Whether it waits: behind others of its stream, or since it asks for another language model itself."""
        if isinstance(request, ConfigureStream) and not isinstance(request.language_model, UnsetType):
            self.hold(key, request.language_model)
        if key not in self._holds or isinstance(request, CancelStream):
            return False
        self._holds[key].requests.append(request)
        return True

    def hold(self, key: Key, language_model: str) -> None:
        """Let the stream wait until the language model is read, unless it is, or the stream waits anyway."""
        if key in self._holds or self._language_models.is_ready(language_model) or self._given_up.get(key) == language_model:
            return
        hold: Hold
        timer = threading.Timer(MAX_HELD_S, self._do, [lambda: self._give_up(key, hold, language_model)])
        timer.daemon = True
        hold = self._holds[key] = Hold(timer)
        timer.start()
        self._language_models.prepare(language_model, lambda: self._do(lambda: self._release(key, hold)))

    def drop(self, key: Key) -> None:
        """The stream is over."""
        self._given_up.pop(key, None)
        if (hold := self._holds.pop(key, None)) is not None:
            hold.timer.cancel()

    def _give_up(self, key: Key, hold: Hold, language_model: str) -> None:
        if self._holds.get(key) is hold:
            logger.error("stream %d goes on without the language model %s: reading it takes too long", key[1], language_model)
            self._given_up[key] = language_model
            self._release(key, hold)

    def _release(self, key: Key, hold: Hold) -> None:
        if self._holds.get(key) is hold:  # neither over nor waiting for another one
            del self._holds[key]
            hold.timer.cancel()
            self._go_on(key, hold.requests)
