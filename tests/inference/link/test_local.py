"""Unix and TCP sockets of the link."""

import asyncio
import socket
import stat
from pathlib import Path

import pytest

from inference.link import local


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while (body := await local.read_frame(reader)) is not None:
        writer.write(local.pack(body))
    await local.close(writer)


async def answer(address: str, body: bytes) -> bytes | None:
    reader, writer = await local.connect(address)
    writer.write(local.pack(body))
    received = await local.read_frame(reader)
    await local.close(writer)
    return received


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("unix:/run/hark/i.sock", ("/run/hark/i.sock", "", 0)),
        ("unix:var/i:2.sock", ("var/i:2.sock", "", 0)),
        ("tcp:127.0.0.1:7070", (None, "127.0.0.1", 7070)),
        ("tcp:::1:7070", (None, "::1", 7070)),
    ],
)
def test_addresses_are_taken_apart(address: str, expected: tuple[str | None, str, int]) -> None:
    assert local.split_address(address) == expected


async def test_both_kinds_of_socket_carry_frames(address: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        tcp = f"tcp:127.0.0.1:{probe.getsockname()[1]}"
    for each in (address, tcp):
        server = await local.listen(each, echo)
        assert await answer(each, b"hello") == b"hello"
        server.close()


def mode_of(address: str) -> int:
    return stat.S_IMODE(Path(address.removeprefix("unix:")).stat().st_mode)


async def test_only_our_own_user_may_open_the_socket(address: str) -> None:
    server = await local.listen(address, echo)

    assert mode_of(address) == 0o600
    server.close()


async def test_a_socket_file_that_was_left_behind_is_replaced(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(address.removeprefix("unix:"))

    server = await local.listen(address, echo)

    assert await answer(address, b"hello") == b"hello"
    server.close()


async def test_a_second_listener_is_refused_and_the_first_goes_on(address: str) -> None:
    server = await local.listen(address, echo)

    with pytest.raises(OSError, match="another inference process is already listening on"):
        await local.listen(address, echo)

    assert await answer(address, b"hello") == b"hello"
    server.close()


async def test_nobody_listening_is_an_error(address: str) -> None:
    with pytest.raises(OSError, match="No such file"):
        await local.connect(address)
