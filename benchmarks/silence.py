"""Whether silence passes: `python -m benchmarks.silence wss://HOST/stream --minutes 60`.

Proxies, firewalls and load balancers close what they take for dead. Two streams are opened through all of them, one that
sends digital silence and one that sends nothing; after the silence somebody speaks on both, and what is heard is printed.
"""

import argparse
import asyncio
import json
import ssl
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import soundfile
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

FRAME_S: Final = 0.5
SAMPLE_RATE_HZ: Final = 16_000
SILENT_FRAME: Final = bytes(int(FRAME_S * SAMPLE_RATE_HZ) * 2)
ANSWER_WITHIN_S: Final = 60.0
CLIP: Final = Path(__file__).resolve().parents[1] / "tests" / "data" / "speech" / "cv-en-523969.flac"


@dataclass(frozen=True, slots=True)
class Line:
    """How to reach a server. `credential`: an API key."""

    url: str
    credential: str = field(default="", repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    trust: ssl.SSLContext | None = None

    def open(self) -> connect:
        """Without pings of our own: only the server's keep the line open."""
        bearer = {"Authorization": f"Bearer {self.credential}"} if self.credential else {}
        return connect(self.url, max_size=None, ping_interval=None, additional_headers={**self.headers, **bearer}, ssl=self.trust)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Of one stream. `close_code`: None where the connection was cut off."""

    text: str
    close_code: int | None

    @property
    def is_heard(self) -> bool:
        return bool(self.text) and self.close_code == 1000


async def after_silence(line: Line, silence_s: float, speech: bytes, *, sends_silence: bool) -> Outcome:
    """Open a stream, keep it silent, then speak.

    Args:
        speech: PCM, int16 little-endian, mono, 16 kHz.
        sends_silence: whether audio of silence is sent all the while, in real time, or nothing.
    """
    texts: list[str] = []
    async with line.open() as socket:
        listening = asyncio.create_task(_listen(socket, texts))
        try:
            await socket.send('{"type": "start"}')
            await _be_silent(socket, silence_s, sends_silence=sends_silence)
            await socket.send(speech)
            await socket.send('{"type": "end"}')
            await asyncio.wait([listening], timeout=ANSWER_WITHIN_S)
        except ConnectionClosed:
            pass  # the close code tells
        listening.cancel()
    return Outcome(" ".join(texts), socket.close_code)


async def _be_silent(socket: ClientConnection, silence_s: float, *, sends_silence: bool) -> None:
    loop = asyncio.get_running_loop()
    until_s = loop.time() + silence_s
    while (left_s := until_s - loop.time()) > 0:
        await asyncio.sleep(min(left_s, FRAME_S))
        if sends_silence:
            await socket.send(SILENT_FRAME)


async def _listen(socket: ClientConnection, texts: list[str]) -> None:
    async for raw in socket:
        message = json.loads(raw)
        if message["type"] == "final":
            texts.append(message["text"])


async def both(line: Line, silence_s: float, speech: bytes) -> tuple[Outcome, Outcome]:
    """A stream that sends silence and one that sends nothing."""
    sending, quiet = await asyncio.gather(
        after_silence(line, silence_s, speech, sends_silence=True), after_silence(line, silence_s, speech, sends_silence=False)
    )
    return sending, quiet


def pcm_of(path: Path) -> bytes:
    audio, rate_hz = soundfile.read(path, dtype="int16", always_2d=True)
    if rate_hz != SAMPLE_RATE_HZ:
        raise SystemExit(f"{path} has {rate_hz} samples a second; expected {SAMPLE_RATE_HZ}.")
    return bytes(audio[:, 0].astype("<i2").tobytes())


def unverified() -> ssl.SSLContext:
    """For a certificate that nobody has signed but its owner."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("url", help="ws:// or wss:// address of /stream")
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--speech", type=Path, default=CLIP, help="a file of 16 kHz speech")
    parser.add_argument("--key-file", type=Path, help="file that holds an API key")
    parser.add_argument("--any-certificate", action="store_true", help="do not check the server's certificate")
    given = parser.parse_args(arguments)
    key = given.key_file.read_text(encoding="utf-8").strip() if given.key_file else ""
    line = Line(given.url, key, trust=unverified() if given.any_certificate else None)
    outcomes = asyncio.run(both(line, given.minutes * 60, pcm_of(given.speech)))
    for name, outcome in zip(("silent audio", "no audio"), outcomes, strict=True):
        print(f"{name:12} closed with {outcome.close_code}, heard: {outcome.text or '(nothing)'}")
    return 0 if all(outcome.is_heard for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
