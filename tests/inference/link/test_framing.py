"""Frames on a byte stream."""

import asyncio
import errno

import pytest

from inference.link.framing import MAX_FRAME_BYTES, pack, read_frame


def reader_of(content: bytes, *, is_over: bool = True) -> asyncio.StreamReader:
    reader = asyncio.StreamReader()
    reader.feed_data(content)
    if is_over:
        reader.feed_eof()
    return reader


async def test_frames_are_read_one_after_the_other_and_then_nothing() -> None:
    reader = reader_of(pack(b"first") + pack(b"") + pack(b"third"))

    assert [await read_frame(reader) for _ in range(4)] == [b"first", b"", b"third", None]


@pytest.mark.parametrize("end", [0, 1, 3, 4, 7])
async def test_a_frame_that_is_cut_off_is_the_end(end: int) -> None:
    assert await read_frame(reader_of(pack(b"hello")[:end])) is None


@pytest.mark.parametrize("number", [errno.ECONNRESET, errno.ETIMEDOUT, errno.EHOSTUNREACH])
async def test_a_peer_that_cannot_be_reached_any_more_is_gone(number: int) -> None:
    reader = reader_of(pack(b"hello")[:4], is_over=False)
    reader.set_exception(OSError(number, errno.errorcode[number]))

    assert await read_frame(reader) is None


async def test_a_length_that_cannot_be_right_is_refused() -> None:
    with pytest.raises(ValueError, match=f"{MAX_FRAME_BYTES + 1} bytes was announced"):
        await read_frame(reader_of((MAX_FRAME_BYTES + 1).to_bytes(4, "little")))


async def test_text_of_another_protocol_is_refused() -> None:
    with pytest.raises(ValueError, match="was announced"):
        await read_frame(reader_of(b"GET / HTTP/1.1\r\n"))
