"""Who is listening: one answer for the WebSocket, REST and the pages.

A listener is a signed-in user, or, where `HARK_ANONYMOUS=loopback`, anybody on this machine. A request that a proxy has
forwarded is never counted as loopback, whatever address it comes from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address
from typing import Any

from django.conf import settings

# Any of them shows a proxy. A proxy that sends none cannot be told from a local program: `transcription.checks` warns.
FORWARDED_HEADERS = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"x-client-ip", b"via"}
)


@dataclass(frozen=True, slots=True)
class Listener:
    """`user_id` None and not trusted: nobody we know."""

    user_id: int | None
    is_trusted_anonymous: bool

    @property
    def is_known(self) -> bool:
        return self.user_id is not None or self.is_trusted_anonymous


def is_loopback(host: str, header_names: Iterable[bytes]) -> bool:
    """Whether the peer at `host` is this machine itself, speaking to us directly."""
    if any(name.lower() in FORWARDED_HEADERS for name in header_names):
        return False
    try:
        address = ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None  # ::ffff:127.0.0.1 on a dual-stack socket
    return (mapped or address).is_loopback


def listener_of_scope(scope: Mapping[str, Any]) -> Listener:
    """The listener behind an ASGI scope (HTTP or WebSocket) that has passed the authentication middleware."""
    user = scope.get("user")
    if user is not None and user.is_authenticated:
        return Listener(user_id=user.pk, is_trusted_anonymous=False)
    host = (scope.get("client") or ("", 0))[0]
    is_local = is_loopback(host, (name for name, _value in scope.get("headers", ())))
    return Listener(user_id=None, is_trusted_anonymous=settings.HARK_ANONYMOUS == "loopback" and is_local)


def listener_of_request(request: Any) -> Listener:
    """The listener behind a Django or DRF request."""
    if request.user.is_authenticated:
        return Listener(user_id=request.user.pk, is_trusted_anonymous=False)
    names = (key.removeprefix("HTTP_").replace("_", "-").encode() for key in request.META if key.startswith("HTTP_"))
    is_local = is_loopback(request.META.get("REMOTE_ADDR", ""), names)
    return Listener(user_id=None, is_trusted_anonymous=settings.HARK_ANONYMOUS == "loopback" and is_local)
