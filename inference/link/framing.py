"""How a link frame travels over a byte stream: four bytes of length, little-endian, then the MessagePack body."""

import asyncio
from typing import Final

LENGTH_BYTES: Final = 4
MAX_FRAME_BYTES: Final = 64 * 1024 * 1024


def pack(body: bytes) -> bytes:
    return len(body).to_bytes(LENGTH_BYTES, "little") + body


async def read_frame(reader: asyncio.StreamReader) -> bytes | None:
    """The next body, or None when the other side is gone, or cannot be reached any more.

    Raises:
        ValueError: the length cannot be right; the peer does not speak this protocol.
    """
    try:
        num_bytes = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "little")
        if num_bytes > MAX_FRAME_BYTES:
            raise ValueError(f"a link frame of {num_bytes} bytes was announced; at most {MAX_FRAME_BYTES} are allowed")
        return await reader.readexactly(num_bytes)
    except (asyncio.IncompleteReadError, OSError):
        return None
