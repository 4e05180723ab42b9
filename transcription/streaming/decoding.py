"""Takes audio out of containers beside the event loop: a stream's bytes in order, on threads that all streams share."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Final

from transcription.containers import ContainerDecoder, ContainerKind, UndecodableAudioError

logger = logging.getLogger(__name__)

MAX_WAITING_BYTES: Final = 2 * 1024 * 1024
"""What may wait to be decoded; half a minute of a WAV file, many minutes of Opus."""
NUM_THREADS: Final = 2


class DecodingQueue:
    """One for each stream that sends a container. The callbacks are called on the event loop; none after `cancel`.

    Args:
        on_pcm: 16-bit mono samples at 16 kHz. on_undecodable: code and message; nothing follows. on_end: after `finish`.
    """

    def __init__(
        self,
        kind: ContainerKind,
        on_pcm: Callable[[bytes], None],
        on_undecodable: Callable[[str, str], None],
        on_end: Callable[[], None],
    ) -> None:
        self._decoder = ContainerDecoder(kind)
        self._on_pcm = on_pcm
        self._on_undecodable = on_undecodable
        self._on_end = on_end
        self._waiting: deque[bytes | None] = deque()
        self._num_waiting_bytes = 0
        self._has_work = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._task = asyncio.create_task(self._run())

    @property
    def has_room(self) -> bool:
        return self._num_waiting_bytes < MAX_WAITING_BYTES

    def push(self, payload: bytes) -> None:
        self._waiting.append(payload)
        self._num_waiting_bytes += len(payload)
        if not self.has_room:
            self._room.clear()
        self._has_work.set()

    def finish(self) -> None:
        """No more bytes."""
        self._waiting.append(None)
        self._has_work.set()

    async def wait_for_room(self) -> None:
        await self._room.wait()

    def cancel(self) -> None:
        self._task.cancel()
        self._room.set()

    async def _run(self) -> None:
        """Until the end, or until the bytes are no audio."""
        try:
            while await self._decode_waiting():
                pass
        except UndecodableAudioError as err:
            self._on_undecodable(err.code, err.message)
        except Exception:
            logger.exception("a decoder broke")
            self._on_undecodable("undecodable_audio", "The audio could not be decoded. Send it in another format.")
        finally:
            self._num_waiting_bytes = 0
            self._room.set()

    async def _decode_waiting(self) -> bool:
        """Decode the next message; False at the end."""
        while not self._waiting:
            self._has_work.clear()
            await self._has_work.wait()
        payload = self._waiting.popleft()
        if payload is None:
            self._on_pcm(await self._in_thread(self._decoder.finish))
            self._on_end()
            return False
        self._on_pcm(await self._in_thread(lambda: self._decoder.push(payload)))
        self._num_waiting_bytes -= len(payload)
        if self.has_room:
            self._room.set()
        return True

    async def _in_thread(self, work: Callable[[], bytes]) -> bytes:
        return await asyncio.get_running_loop().run_in_executor(_threads(), work)


@cache
def _threads() -> ThreadPoolExecutor:
    """PyAV lets others run while it decodes; two threads are more than a web process can spare."""
    return ThreadPoolExecutor(NUM_THREADS, thread_name_prefix="decoding")
