"""Who is listening: one answer for the WebSocket, REST and the pages; and from where.

A listener is a signed-in user, the owner of an API key within the key's scopes, or, where `HARK_ANONYMOUS=loopback`, anybody
on this machine. A request that a proxy has forwarded is never counted as loopback, whatever address it comes from.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any

from django.conf import settings

# Any of them shows a proxy. A proxy that sends none cannot be told from a local program: `transcription.checks` warns.
FORWARDED_HEADERS = frozenset(
    {b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"x-real-ip", b"x-client-ip", b"via"}
)
UNIX_PEER = "unix"  # in HARK_TRUSTED_PROXIES: a peer without an address, on a Unix socket

Headers = Iterable[tuple[bytes, bytes]]


class Scope(StrEnum):
    """What an API key may be used for. People who sign in may do all of it."""

    STREAM = "stream"
    CHOOSE_MODEL = "models:choose"
    READ = "transcripts:read"
    DELETE = "transcripts:delete"
    CORRECT = "transcripts:correct"
    STORE_AUDIO = "audio:store"


ALL_SCOPES = frozenset(Scope)


@dataclass(frozen=True, slots=True)
class Listener:
    """`user_id` None and not trusted: nobody we know. `key_id`: the API key that was used, None for people.

    stores_audio: the key says that the audio of its sessions is kept. language_model: the one that it names, if it does.
    """

    user_id: int | None
    is_trusted_anonymous: bool
    key_id: int | None = None
    scopes: frozenset[Scope] = ALL_SCOPES
    stores_audio: bool = False
    language_model: str = ""

    @property
    def is_known(self) -> bool:
        return self.user_id is not None or self.is_trusted_anonymous


def is_loopback(host: str, header_names: Iterable[bytes]) -> bool:
    """Whether the peer at `host` is this machine itself, speaking to us directly."""
    if any(name.lower() in FORWARDED_HEADERS for name in header_names):
        return False
    address = parsed_address(host)
    return address is not None and address.is_loopback


def parsed_address(host: str) -> IPv4Address | IPv6Address | None:
    """None when `host` is no address; the IPv4 one of ::ffff:127.0.0.1, as it comes from a dual-stack socket."""
    try:
        address = ip_address(host.strip())
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def counted_address(peer: str, headers: Headers) -> str:
    """Whom limits per address count; "" for this machine itself.

    X-Forwarded-For is believed only from a peer that HARK_TRUSTED_PROXIES names, and only up to the nearest hop that it does
    not name: what stands before that was written by a stranger. IPv6 counts by /64: whoever has one address of it has all.
    """
    listed = list(headers)
    if is_loopback(peer, (name for name, _value in listed)):
        return ""
    return grouped_address(believed_client(peer, listed))


def believed_client(peer: str, headers: Headers) -> str:
    """Where a request comes from, through the proxies that are trusted; the peer where none is."""
    hops = [hop for name, value in headers if name.lower() == b"x-forwarded-for" for hop in value.decode("latin-1").split(",")]
    client = peer
    while hops and is_trusted_proxy(client):
        client = hops.pop().strip()
    return client


def is_trusted_proxy(peer: str) -> bool:
    words = tuple(settings.HARK_TRUSTED_PROXIES)
    address = parsed_address(peer)
    if address is None:
        return peer == "" and UNIX_PEER in words
    return any(address in network for network in trusted_networks(words))


@cache
def trusted_networks(words: tuple[str, ...]) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(ip_network(word) for word in words if word != UNIX_PEER)


def grouped_address(host: str) -> str:
    """What counts as one place; "unknown" for what is no address, so that it cannot pass uncounted."""
    address = parsed_address(host)
    if isinstance(address, IPv6Address):
        return str(ip_network((address, 64), strict=False))
    return str(address) if address is not None else "unknown"


def peer_of_scope(scope: Mapping[str, Any]) -> str:
    """The address of the other end of the connection; "" on a Unix socket."""
    return str((scope.get("client") or ("", 0))[0] or "")


def anonymous_listener(peer: str, header_names: Iterable[bytes]) -> Listener:
    """Whoever came without credentials: trusted on this machine where that is allowed, else nobody."""
    is_trusted = settings.HARK_ANONYMOUS == "loopback" and is_loopback(peer, header_names)
    return Listener(user_id=None, is_trusted_anonymous=is_trusted)


def anonymous_of_scope(scope: Mapping[str, Any]) -> Listener:
    """`anonymous_listener` behind an ASGI scope."""
    return anonymous_listener(peer_of_scope(scope), (name for name, _value in scope.get("headers", ())))


def listener_of_request(request: Any) -> Listener:
    """The listener behind a Django or DRF request. `request.auth` is set by `transcription.api.authentication` alone."""
    auth = getattr(request, "auth", None)
    if isinstance(auth, Listener):
        return auth
    if request.user.is_authenticated:
        return Listener(user_id=request.user.pk, is_trusted_anonymous=False)
    names = (key.removeprefix("HTTP_").replace("_", "-").encode() for key in request.META if key.startswith("HTTP_"))
    return anonymous_listener(request.META.get("REMOTE_ADDR", ""), names)
