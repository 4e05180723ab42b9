"""Which pages may open a socket."""

from typing import Any

import pytest

from transcription.access.origins import OwnOriginOrNone

PASSED, REFUSED = "passed", "refused"


async def outcome(origin: bytes | None) -> str:
    """What happens to a handshake with that Origin header."""
    seen: list[str] = []

    async def application(_scope: dict[str, Any], _receive: Any, _send: Any) -> None:
        seen.append(PASSED)

    async def receive() -> dict[str, str]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        assert message["type"] == "websocket.close"
        seen.append(REFUSED)

    headers = [(b"host", b"localhost:8000")] + ([] if origin is None else [(b"origin", origin)])
    scope = {"type": "websocket", "path": "/stream", "headers": headers}
    await OwnOriginOrNone(application)(scope, receive, send)
    (only,) = seen
    return only


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, PASSED),
        (b"http://localhost:8000", PASSED),
        (b"http://127.0.0.1:8000", PASSED),
        (b"https://hark.example", PASSED),
        (b"https://hark.example:8443", PASSED),
        (b"https://evil.example", REFUSED),
        (b"https://hark.example.evil.example", REFUSED),
        (b"https://nothark.example", REFUSED),
        (b"null", REFUSED),
        (b"", REFUSED),
        (b"http://", REFUSED),
        (b"file://", REFUSED),
        (b"\xff\xfe", REFUSED),
        (b"http://[", REFUSED),
    ],
)
async def test_only_our_own_pages_and_programs_may_connect(origin: bytes | None, expected: str, settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["localhost", "127.0.0.1", "hark.example"]

    assert await outcome(origin) == expected


async def test_any_page_may_connect_where_any_host_is_allowed(settings: Any) -> None:
    settings.ALLOWED_HOSTS = ["*"]

    assert await outcome(b"https://anywhere.example") == PASSED
