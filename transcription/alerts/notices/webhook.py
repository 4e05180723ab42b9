"""A notice as a signed POST request to the URL of a channel.

Only http and https; redirects are not followed; nothing is sent to addresses of the link itself (169.254.0.0/16, where clouds
keep credentials of the machine), to multicast or to no address at all. Other addresses of one's own network are allowed: that is
where receivers are. Of the answer only its status is read.
"""

import http.client
import json
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import IPv6Address, ip_address
from threading import Timer
from typing import Final
from urllib.parse import SplitResult, urlsplit
from uuid import UUID

from django.utils.translation import gettext

from transcription.alerts.notices.errors import NotDelivered
from transcription.alerts.notices.payloads import Payload
from transcription.alerts.notices.signatures import DELIVERY_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, signature
from transcription.models import AlertChannel

CONNECT_TIMEOUT_S: Final = 5.0
DEADLINE_S: Final = 10.0
"""For all of it, however slowly the receiver writes: one of the few threads of the worker waits."""
TRY_AGAIN_STATUSES: Final = frozenset({408, 425, 429})


def url_problem(url: str) -> str:
    """What is wrong with the URL of a webhook, as a sentence; empty if nothing is."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return gettext("This is no URL. Expected one such as https://example.org/alerts.")
    if parts.scheme not in {"http", "https"} or not parts.hostname or port == 0 or not url.isprintable() or " " in url:
        return gettext("This is no URL. Expected one such as https://example.org/alerts.")
    if parts.username is not None or parts.password is not None:
        return gettext("Put no password into the URL: requests are signed with the secret of the channel.")
    return ""


def send(channel: AlertChannel, delivery: UUID, payload: Payload) -> None:
    """POST `payload` to the channel; returns when it was answered with 2xx. Blocks for about DEADLINE_S at most.

    Raises:
        NotDelivered: it was not.
    """
    problem = url_problem(channel.target)
    if problem:
        raise NotDelivered(problem, is_final=True)
    body = json.dumps(payload, ensure_ascii=False, separators=(",", ":")).encode()
    try:
        status = post(urlsplit(channel.target), body, headers_for(channel, delivery, body))
    except ssl.SSLCertVerificationError as err:
        raise NotDelivered(f"The certificate is not trusted: {err.verify_message}.") from err
    except TimeoutError as err:
        raise NotDelivered(f"No answer within {DEADLINE_S:.0f} s.") from err
    except (OSError, http.client.HTTPException) as err:
        raise NotDelivered(f"The receiver cannot be reached ({type(err).__name__}).") from err
    judge(status)


def headers_for(channel: AlertChannel, delivery: UUID, body: bytes) -> dict[str, str]:
    now_s = int(time.time())
    return {
        "Content-Type": "application/json",
        "User-Agent": "Hark",
        DELIVERY_HEADER: str(delivery),
        TIMESTAMP_HEADER: str(now_s),
        SIGNATURE_HEADER: signature(channel.secret, now_s, body),
    }


def post(url: SplitResult, body: bytes, headers: dict[str, str]) -> int:
    """The status of the answer."""
    make = http.client.HTTPSConnection if url.scheme == "https" else http.client.HTTPConnection
    connection = make(url.hostname or "", url.port, timeout=CONNECT_TIMEOUT_S)
    try:
        connection.connect()
        refuse_forbidden(str(connection.sock.getpeername()[0]))
        connection.sock.settimeout(DEADLINE_S)
        with cut_off_after(DEADLINE_S, connection):
            connection.request("POST", f"{url.path or '/'}{'?' + url.query if url.query else ''}", body, headers)
            with connection.getresponse() as answer:
                return answer.status
    finally:
        connection.close()


def refuse_forbidden(peer: str) -> None:
    """Judged by who has answered, not by its name: a name may lead elsewhere from one moment to the next.

    Raises:
        NotDelivered: nothing may be sent there.
    """
    address = ip_address(peer.partition("%")[0])
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    if address.is_link_local or address.is_multicast or address.is_unspecified:
        raise NotDelivered("The URL leads to an address to which nothing is sent.", is_final=True)


@contextmanager
def cut_off_after(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """A receiver that writes a byte now and then keeps every timeout of a socket from passing.

    Raises:
        TimeoutError: the time was over.
    """
    is_over, sock = False, connection.sock

    def cut() -> None:
        nonlocal is_over
        is_over = True
        with suppress(OSError):  # it may be closed by now
            sock.shutdown(socket.SHUT_RDWR)

    timer = Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    except (OSError, http.client.HTTPException) as err:
        raise TimeoutError if is_over else err from err
    finally:
        timer.cancel()


def judge(status: int) -> None:
    """Raises NotDelivered unless the status says that it was taken."""
    if 200 <= status < 300:
        return
    if 300 <= status < 400:
        raise NotDelivered(f"Answered {status}: redirects are not followed. Enter the address it leads to.", is_final=True)
    raise NotDelivered(f"Answered {status}.", is_final=400 <= status < 500 and status not in TRY_AGAIN_STATUSES)
