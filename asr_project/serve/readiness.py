"""Whether Hark answers: /readyz says yes only with a warm model and a reachable database; inference greets whoever links."""

import socket
from http.client import HTTPConnection, HTTPException

PROBE_TIMEOUT_S = 2.0
GREETED_WITHIN_S = 5.0
OK = 200


def is_ready(host: str, port: int) -> bool:
    """Ask once; blocks up to two seconds. Nobody listening is an ordinary "not yet"."""
    connection = HTTPConnection(host, port, timeout=PROBE_TIMEOUT_S)
    try:
        connection.request("GET", "/readyz", headers={"X-Forwarded-Proto": "https"})  # else HARK_HTTPS answers with a redirect
        return connection.getresponse().status == OK
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def is_silent(address: str) -> bool:
    """Whether an inference process accepts a link at `address` (`unix:/path`, `tcp:host:port`) and does not greet: it hangs.

    Blocks up to five seconds. Nobody listening is no silence: the process is starting or stopping.
    """
    try:
        with _connect(address) as link:
            link.recv(1)
    except TimeoutError:
        return True
    except OSError:
        return False
    return False


def _connect(address: str) -> socket.socket:
    kind, _, rest = address.partition(":")
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        return socket.create_connection((host, int(port)), timeout=GREETED_WITHIN_S)
    link = socket.socket(socket.AF_UNIX)
    link.settimeout(GREETED_WITHIN_S)
    try:
        link.connect(rest)
    except OSError:
        link.close()
        raise
    return link
