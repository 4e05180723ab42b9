"""A reliable client of /stream for tests: it numbers its frames, and can come back over another socket."""

import struct
from typing import Any

from tests.inference.worker import say
from tests.transcription.test_consumers import Socket

FRAME_BYTES = 6_400


class ReliableSocket(Socket):
    """`sent`: the offset of the next sample."""

    sent = 0

    async def begin(self, **fields: Any) -> dict[str, Any]:
        await self.open()
        await self.tell("start", reliable=True, **fields)
        return await self.expect("ready")

    async def say(self, text: str, silence_s: float = 0.0) -> None:
        await self.send_pcm(say(text, silence_s))

    async def send_pcm(self, pcm: bytes) -> None:
        for start in range(0, len(pcm), FRAME_BYTES):
            payload = pcm[start : start + FRAME_BYTES]
            await self.send_frame(self.sent, payload)
            self.sent += len(payload) // 2

    async def send_frame(self, offset: int, payload: bytes) -> None:
        await self.send_to(bytes_data=struct.pack("<Q", offset) + payload)

    async def resume(self, ready: dict[str, Any], **fields: Any) -> dict[str, Any]:
        await self.open()
        await self.tell("resume", session=ready["session"], token=ready["resume_token"], **fields)
        return await self.expect("resumed")
