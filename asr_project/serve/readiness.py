"""Whether Hark answers: one question to /readyz, which says yes only with a warm model and a reachable database."""

from http.client import HTTPConnection, HTTPException

PROBE_TIMEOUT_S = 2.0
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
