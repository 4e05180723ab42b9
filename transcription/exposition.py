"""/metrics of a web process, for Prometheus and its kin. Asks no database, and takes no place among the requests.

Who may read: this machine, the networks of HARK_METRICS_ALLOWED, and whoever has HARK_METRICS_TOKEN. Behind trusted proxies the
address counts that they name, elsewhere a forwarded request is from no known place.
"""

import asyncio
from ipaddress import ip_network

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe
from prometheus_client.exposition import choose_encoder

from transcription.listeners import FORWARDED_HEADERS, UNIX_PEER, believed_client, is_loopback, parsed_address
from transcription.metrics import meters

REFUSAL = (
    "Metrics are shown to this machine, to the networks of HARK_METRICS_ALLOWED, and to whoever sends "
    "Authorization: Bearer with the HARK_METRICS_TOKEN.\n"
)


@require_safe
@never_cache
async def metrics(request: HttpRequest) -> HttpResponse:
    """In the text format, or in OpenMetrics where that is asked for."""
    if not may_read(request):
        return HttpResponse(REFUSAL, status=403, content_type="text/plain; charset=utf-8")
    encode, content_type = choose_encoder(request.headers.get("Accept", ""))
    return HttpResponse(await asyncio.to_thread(encode, meters.web.registry), content_type=content_type)


def may_read(request: HttpRequest) -> bool:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if settings.HARK_METRICS_TOKEN and scheme.lower() == "bearer":
        return constant_time_compare(token.strip(), settings.HARK_METRICS_TOKEN)
    return is_near(request)


def is_near(request: HttpRequest) -> bool:
    """Whether it comes from where metrics may be read."""
    peer = request.META.get("REMOTE_ADDR") or ""
    headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in request.headers.items()]
    if is_loopback(peer, (name for name, _value in headers)):
        return True
    client = believed_client(peer, headers)
    if client == peer and any(name in FORWARDED_HEADERS for name, _value in headers):
        return False  # by a proxy that nobody has named: it may come from anywhere
    return is_allowed(client)


def is_allowed(client: str) -> bool:
    """client: an address; empty: the other end of a Unix socket."""
    address = parsed_address(client)
    if address is None:
        return not client and UNIX_PEER in settings.HARK_METRICS_ALLOWED
    return any(address in ip_network(word) for word in settings.HARK_METRICS_ALLOWED if word != UNIX_PEER)
