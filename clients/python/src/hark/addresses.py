"""From what people write to what is dialled: the WebSocket and the REST API of one server have one address. Pure."""

from urllib.parse import urlsplit, urlunsplit

DEFAULT_URL = "ws://127.0.0.1:8000/stream"
STREAM_PATH = "/stream"
_SOCKET_SCHEMES = {"http": "ws", "https": "wss", "ws": "ws", "wss": "wss", "": "ws"}


def stream_url(url: str) -> str:
    """`https://host`, `wss://host/prefix/stream`, `host:8000` … as the address of the WebSocket.

    Raises:
        ValueError: for what is no address of a server.
    """
    parts = urlsplit(url if "://" in url else f"//{url}")
    if parts.scheme not in _SOCKET_SCHEMES or not parts.hostname:
        raise ValueError(f"{url!r} is no address of a server; expected something like {DEFAULT_URL}")
    path = parts.path.rstrip("/")
    path = path if path.endswith(STREAM_PATH) else path + STREAM_PATH
    return urlunsplit((_SOCKET_SCHEMES[parts.scheme], parts.netloc, path, parts.query, ""))


def rest_url(url: str) -> str:
    """The address below which the REST API of the same server is, with a final slash."""
    parts = urlsplit(stream_url(url))
    scheme = {"ws": "http", "wss": "https"}[parts.scheme]
    return urlunsplit((scheme, parts.netloc, parts.path.removesuffix(STREAM_PATH) + "/api/v1/", "", ""))
