"""Plays a reference clip to the server over a WebSocket, as fast as it was spoken, like any client. Blocks as long as it lasts.

The protocol is spoken here in its simplest form: what it tells is worth something because nothing of the server's own is used.
"""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import ClientConnection, connect

from inference.audio import SAMPLE_RATE_HZ
from transcription.swaps.canary import ReferenceClip

FRAME_S: Final = 0.1
FRAME_BYTES: Final = round(2 * SAMPLE_RATE_HZ * FRAME_S)
OPEN_WITHIN_S: Final = 10.0
ANSWER_WITHIN_S: Final = 30.0
"""A server that takes longer for its last words is no server that anybody would wait for."""

Clock = Callable[[], float]


class NotPlayed(Exception):
    """The clip could not be played to its end. `code`: the server's, or empty."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code


@dataclass(slots=True)
class Hearing:
    """What the server wrote. final_ms: from the end of the clip to the last text; None: there was none after it."""

    texts: list[str] = field(default_factory=list)
    final_ms: int | None = None

    @property
    def text(self) -> str:
        return " ".join(self.texts)


def play(clip: ReferenceClip, model: str, url: str, key: str) -> Hearing:
    """Let the server at `url` hear the clip with `model`.

    Raises:
        NotPlayed: it does not answer, refuses, or breaks off.
    """
    try:
        with connect(url, additional_headers={"Authorization": f"Bearer {key}"}, open_timeout=OPEN_WITHIN_S) as socket:
            return Conversation(socket, time.monotonic).lead(clip, model)
    except InvalidStatus as err:
        raise NotPlayed(f"{url} refuses the canary with status {err.response.status_code}.") from err
    except (OSError, InvalidURI, InvalidHandshake) as err:  # TimeoutError is an OSError
        raise NotPlayed(f"{url} cannot be reached ({type(err).__name__}): see HARK_CANARY_URL.") from err
    except ConnectionClosed as err:
        raise NotPlayed(f"{url} closed the connection before the clip was heard.") from err


@dataclass(slots=True)
class Conversation:
    """One session, from `start` to `done`. clock: seconds."""

    socket: ClientConnection
    clock: Clock
    hearing: Hearing = field(default_factory=Hearing)
    _ended_s: float | None = None
    _is_over: bool = False

    def lead(self, clip: ReferenceClip, model: str) -> Hearing:
        """Raises:
        NotPlayed, ConnectionClosed, TimeoutError: it did not come to its end.
        """
        start = {"type": "start", "model": model, "language": clip.language, "interim": False, "words": False}
        self.socket.send(json.dumps(start))
        payload = clip.payload()
        began_s = self.clock()
        for number, position in enumerate(range(0, len(payload), FRAME_BYTES), 1):
            self.socket.send(payload[position : position + FRAME_BYTES])
            self._listen_until(began_s + number * FRAME_S)
        self.socket.send(json.dumps({"type": "end"}))
        self._ended_s = self.clock()
        while not self._is_over:
            self._take(json.loads(self.socket.recv(timeout=ANSWER_WITHIN_S)))
        return self.hearing

    def _listen_until(self, due_s: float) -> None:
        while (wait_s := due_s - self.clock()) > 0:
            try:
                message = self.socket.recv(timeout=wait_s)
            except TimeoutError:
                return
            self._take(json.loads(message))

    def _take(self, message: dict[str, Any]) -> None:
        match message["type"]:
            case "final":
                self._note(message["text"])
            case "error":
                raise NotPlayed(f"The server ended the session with {message['code']}: {message['message']}", message["code"])
            case "done":
                self._is_over = True

    def _note(self, text: str) -> None:
        if text:
            self.hearing.texts.append(text)
        if self._ended_s is not None:
            self.hearing.final_ms = round(1000 * (self.clock() - self._ended_s))
