"""How a WebSocket is refused before it is accepted: an HTTP error with the JSON body of the REST API, or a plain close."""

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

import msgspec

from transcription.protocol import CloseCode

AsgiScope = Mapping[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

RESPONSE_EXTENSION: Final = "websocket.http.response"
CLOSE_CODES: Final = {
    HTTPStatus.UNAUTHORIZED: CloseCode.NOT_AUTHENTICATED,
    HTTPStatus.FORBIDDEN: CloseCode.FORBIDDEN,
    HTTPStatus.NOT_FOUND: CloseCode.BAD_REQUEST,
    HTTPStatus.TOO_MANY_REQUESTS: CloseCode.POLICY,
    HTTPStatus.SERVICE_UNAVAILABLE: CloseCode.FULL,
}


class Refusal(Exception):
    """Why somebody may not come in. `code` is stable, the sentence may be shown, `status` is what HTTP says of it."""

    def __init__(self, status: HTTPStatus, code: str, message: str, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s

    @property
    def close_code(self) -> CloseCode:
        """For servers that cannot answer a handshake with more than a close; their clients see HTTP 403."""
        return CLOSE_CODES[self.status]


async def refuse(scope: AsgiScope, receive: Receive, send: Send, refusal: Refusal) -> None:
    """Answer the handshake; nothing was accepted and nothing will be."""
    event = await receive()
    if event["type"] != "websocket.connect":
        return
    if RESPONSE_EXTENSION not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": int(refusal.close_code), "reason": refusal.code})
        return
    body = msgspec.json.encode({"error": {"code": refusal.code, "message": str(refusal), "details": []}})
    headers = response_headers(refusal, len(body))
    await send({"type": "websocket.http.response.start", "status": refusal.status.value, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})


def response_headers(refusal: Refusal, num_bytes: int) -> list[tuple[bytes, bytes]]:
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(num_bytes).encode()),
        (b"cache-control", b"no-store"),
    ]
    if refusal.status is HTTPStatus.UNAUTHORIZED:
        headers.append((b"www-authenticate", b"Bearer"))
    if refusal.retry_after_s is not None:
        headers.append((b"retry-after", str(refusal.retry_after_s).encode()))
    return headers
