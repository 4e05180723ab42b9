"""Send a recording to Hark as if it were spoken now, and print the text. Needs the package `websockets`.

python examples/bare_client.py FILE [ADDRESS]     FILE: WAV or bare samples, 16-bit little-endian, mono, 16 kHz
"""

import asyncio
import json
import sys
from contextlib import suppress
from pathlib import Path

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed


def samples(path: str) -> bytes:
    content = Path(path).read_bytes()
    return content[content.index(b"data") + 8 :] if content.startswith(b"RIFF") else content


async def speak(socket: ClientConnection, audio: bytes) -> None:
    with suppress(ConnectionClosed):
        for start in range(0, len(audio), 3200):  # 100 ms
            await socket.send(audio[start : start + 3200])
            await asyncio.sleep(0.1)
        await socket.send('{"type": "end"}')


async def main(path: str, address: str = "ws://127.0.0.1:8000/stream") -> None:
    async with connect(address) as socket:
        speaking = asyncio.create_task(speak(socket, samples(path)))
        with suppress(ConnectionClosed):  # the last message has said why
            async for line in socket:
                message = json.loads(line)
                print(message["type"], message.get("text") or message.get("message", ""))
        await speaking


try:
    asyncio.run(main(*sys.argv[1:]))
except OSError as err:
    sys.exit(f"{' '.join(sys.argv[1:])}: {err}")
