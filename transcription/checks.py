"""Django system checks: settings that contradict each other or cannot work, found before anybody connects.

`transcription.apps` registers them.
"""

import re
from collections.abc import Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error, Warning

from inference.config import split_addresses

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", "::1", "testserver"})
UNIX_ADDRESS = re.compile(r"unix:/.+")
TCP_ADDRESS = re.compile(r"tcp:(?P<host>[^\s:/\[\]]+|\[[0-9a-fA-F:]+\]):(?P<port>\d{1,5})")
MAX_UNIX_PATH_BYTES = 107


def check_anonymous(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Trusted anonymous visitors are meant for a server on one's own machine."""
    public_hosts = sorted(set(settings.ALLOWED_HOSTS) - LOCAL_HOSTS)
    if settings.HARK_ANONYMOUS != "loopback" or not (settings.HTTPS_ONLY or public_hosts):
        return []
    reason = "HARK_HTTPS is on" if settings.HTTPS_ONLY else f"ALLOWED_HOSTS names {', '.join(public_hosts)}"
    return [
        Warning(
            f"HARK_ANONYMOUS is 'loopback' although this server looks public: {reason}. Behind a proxy that adds no Forwarded or "
            "X-Forwarded-For header, every visitor would count as local.",
            hint="Set HARK_ANONYMOUS=off, or serve only this machine.",
            id="hark.W001",
        )
    ]


def check_debug(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Error pages with source code and settings are for a developer's machine."""
    public_hosts = sorted(set(settings.ALLOWED_HOSTS) - LOCAL_HOSTS)
    if not settings.DEBUG or not (settings.HTTPS_ONLY or public_hosts):
        return []
    reason = "HARK_HTTPS is on" if settings.HTTPS_ONLY else f"ALLOWED_HOSTS names {', '.join(public_hosts)}"
    return [
        Warning(
            f"DEBUG is on although this server looks public: {reason}. Error pages would show source code and what was sent.",
            hint="Leave DEBUG out.",
            id="hark.W002",
        )
    ]


def check_plain_origins(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """An origin that HTTPS makes impossible is a mistake."""
    plain = [origin for origin in settings.CSRF_TRUSTED_ORIGINS if origin.startswith("http://")]
    if not settings.HTTPS_ONLY or not plain:
        return []
    return [
        Warning(
            f"CSRF_TRUSTED_ORIGINS names {', '.join(plain)} although HARK_HTTPS is on: pages that come without TLS could be "
            "changed on their way, and would be trusted.",
            hint="Write https:// there.",
            id="hark.W003",
        )
    ]


def check_proxies(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Deployment only: behind a proxy that nobody named, all visitors share the limits of one address."""
    has_limits = settings.HARK_MAX_SOCKETS_PER_ADDRESS or settings.HARK_MAX_HANDSHAKES_PER_MIN
    if not settings.HTTPS_ONLY or settings.HARK_TRUSTED_PROXIES or not has_limits:
        return []
    return [
        Warning(
            "HARK_HTTPS is on and HARK_TRUSTED_PROXIES is empty: where a proxy ends TLS, all visitors count as one address.",
            hint="Name the proxy's address in HARK_TRUSTED_PROXIES, or set the limits per address to 0.",
            id="hark.W004",
        )
    ]


def check_inference_address(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """The first address that cannot be used."""
    addresses = split_addresses(settings.HARK_INFERENCE_ADDRESS)
    problems = [(address, problem) for address in addresses or [""] if (problem := inference_address_problem(address))]
    return [
        Error(
            f"HARK_INFERENCE_ADDRESS holds {address!r}: {problem}",
            hint="Expected unix:/path/to/socket or tcp:host:port, the same as the inference process listens on; several with "
            "commas between.",
            id="hark.E001",
        )
        for address, problem in problems[:1]
    ]


def inference_address_problem(address: str) -> str:
    """What is wrong with `address`; empty when it can be used."""
    if address.startswith("unix:"):
        if not UNIX_ADDRESS.fullmatch(address):
            return "the path after unix: must be absolute."
        num_bytes = len(address.removeprefix("unix:").encode())
        return (
            f"its path has {num_bytes} bytes; Unix sockets take {MAX_UNIX_PATH_BYTES}." if num_bytes > MAX_UNIX_PATH_BYTES else ""
        )
    match = TCP_ADDRESS.fullmatch(address)
    if match is None:
        return "it is neither a unix: nor a tcp: address."
    return "" if 0 < int(match["port"]) < 65536 else f"port {match['port']} is not between 1 and 65535."
