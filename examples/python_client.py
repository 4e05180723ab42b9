"""Print what is said in a recording while it is sent as if spoken now. Needs the package in clients/python.

python examples/python_client.py FILE [ADDRESS]     FILE: WAV, 16-bit, of any rate from 8 to 48 kHz
"""

import asyncio
import sys
import wave

import hark


async def send(stream: hark.Stream, recording: wave.Wave_read) -> None:
    while piece := recording.readframes(recording.getframerate() // 10):
        await stream.send(piece)
        await asyncio.sleep(0.1)
    await stream.end()


async def main(path: str, address: str = "http://127.0.0.1:8000") -> None:
    with wave.open(path) as recording:
        rate_hz, channels = recording.getframerate(), recording.getnchannels()
        async with hark.connect(address, sample_rate=rate_hz, channels=channels) as stream:
            sending = asyncio.create_task(send(stream, recording))
            async for event in stream:
                if isinstance(event, hark.Partial | hark.Final):
                    print(event.kind, event.text)
                elif isinstance(event, hark.Reconnecting | hark.Gap | hark.Warning | hark.Done):
                    print(event.kind, event)
            await sending


try:
    asyncio.run(main(*sys.argv[1:]))
except (OSError, hark.HarkError) as err:
    sys.exit(f"{' '.join(sys.argv[1:])}: {err}")
