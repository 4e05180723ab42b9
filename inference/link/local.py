"""The link on one machine: a Unix or TCP socket between each web process and the inference process."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

from inference.link.framing import pack, read_frame

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
SOCKET_MODE = 0o600


def split_address(address: str) -> tuple[str | None, str, int]:
    """`unix:/path` → (path, "", 0); `tcp:host:port` → (None, host, port)."""
    kind, _, rest = address.partition(":")
    if kind == "unix":
        return rest, "", 0
    host, _, port = rest.rpartition(":")
    return None, host, int(port)


async def listen(address: str, handler: Handler) -> asyncio.Server:
    """Accept links. A socket file left behind by a process that was killed is replaced.

    Raises:
        OSError: the address is in use or cannot be bound.
    """
    path, host, port = split_address(address)
    if path is None:
        return await asyncio.start_server(handler, host, port)
    if await _is_alive(path):
        raise OSError(f"another inference process is already listening on {path}")
    return await asyncio.start_unix_server(handler, sock=_bind(Path(path)))


def _bind(path: Path) -> socket.socket:
    """A Unix socket that only our own user may open."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    path.chmod(SOCKET_MODE)
    return listener


async def _is_alive(path: str) -> bool:
    try:
        _reader, writer = await asyncio.open_unix_connection(path)
    except OSError:
        return False
    writer.close()
    return True


async def connect(address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Open a link.

    Raises:
        OSError: nobody listens there.
    """
    path, host, port = split_address(address)
    if path is None:
        return await asyncio.open_connection(host, port)
    return await asyncio.open_unix_connection(path)


async def close(writer: asyncio.StreamWriter) -> None:
    """However the link ended."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


__all__ = ["close", "connect", "listen", "pack", "read_frame", "split_address"]
