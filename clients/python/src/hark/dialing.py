"""Opening a WebSocket to one of several addresses, and what to make of it when that fails."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidStatus, InvalidURI
from websockets.http11 import Response

from hark.errors import HarkError

CLOSE_WITHIN_S = 2.0
PING_EVERY_S = 15.0
RELIABLE_PONG_WITHIN_S = 30.0
PLAIN_PONG_WITHIN_S = 120.0
"""A server whose room is full stops reading a plain stream, pings included; a reliable one is never sent more than fits."""
MAX_MESSAGE_BYTES = 8 * 1024 * 1024


@dataclass(slots=True)
class Dialer:
    """Tries its addresses in turn and stays with the one that answered. `key` is never shown."""

    urls: Sequence[str]
    key: str | None = field(repr=False)
    is_reliable: bool
    open_timeout_s: float
    _at: int = 0

    async def dial(self) -> ClientConnection:
        """A socket to the first address that takes us, beginning with the last good one.

        Raises:
            HarkError: of the last address, when none does; at once when one refuses our credentials.
        """
        failure: HarkError | None = None
        for _ in self.urls:
            try:
                return await self._open(self.urls[self._at])
            except HarkError as err:
                if not err.retryable:
                    raise
                failure = err
                self.turn()
        assert failure is not None
        raise failure

    def turn(self) -> None:
        """Begin with another address the next time."""
        self._at = (self._at + 1) % len(self.urls)

    async def _open(self, url: str) -> ClientConnection:
        try:
            return await connect(
                url,
                additional_headers={"Authorization": f"Bearer {self.key}"} if self.key else None,
                compression=None,  # audio does not become smaller
                open_timeout=self.open_timeout_s,
                close_timeout=CLOSE_WITHIN_S,
                ping_interval=PING_EVERY_S,
                ping_timeout=RELIABLE_PONG_WITHIN_S if self.is_reliable else PLAIN_PONG_WITHIN_S,
                max_size=MAX_MESSAGE_BYTES,
                max_queue=None,  # read while we send; messages are small and taken at once
            )
        except InvalidStatus as err:
            raise refusal(url, err.response) from err
        except InvalidURI as err:
            raise HarkError("unreachable", f"{url} is no address of a server.") from err
        except (OSError, EOFError, InvalidHandshake, asyncio.TimeoutError) as err:
            raise HarkError("unreachable", f"No Hark server answers at {url}: {_reason(err)}.", retryable=True) from err


def refusal(url: str, response: Response) -> HarkError:
    """What an HTTP answer instead of a WebSocket means, in the server's own words where it is a Hark server."""
    status = response.status_code
    code, message = _described(response)
    if code:
        return HarkError(code, f"{url}: {message}", retryable=_may_pass(status), retry_after_s=_retry_after_s(response))
    if status == 401:
        return HarkError("not_authenticated", f"{url} wants an API key, or does not know this one (HTTP 401). Check the key.")
    if status == 403:
        return HarkError("forbidden", f"{url} refuses us (HTTP 403): no API key, a wrong one, or one that may not do this.")
    if status == 404:
        return HarkError("not_found", f"There is no stream at {url} (HTTP 404). Check the path; it usually ends in /stream.")
    if _may_pass(status):
        return HarkError(
            "unavailable", f"{url} has no room or no server behind it now (HTTP {status}).",
            retryable=True, retry_after_s=_retry_after_s(response),
        )  # fmt: skip
    return HarkError("bad_answer", f"{url} answered HTTP {status} instead of opening a WebSocket. Is it a Hark server?")


def _may_pass(status: int) -> bool:
    return status == 429 or status >= 500


def _described(response: Response) -> tuple[str, str]:
    """Code and sentence of the error in a JSON body; empty where there is none."""
    try:
        error = json.loads(bytes(response.body))["error"]
        return str(error["code"]), str(error["message"])
    except (ValueError, KeyError, TypeError):
        return "", ""


def _retry_after_s(response: Response) -> float | None:
    text = response.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else None


def _reason(err: BaseException) -> str:
    if isinstance(err, OSError) and err.strerror:
        return err.strerror.lower()
    return str(err).rstrip(".") or type(err).__name__
