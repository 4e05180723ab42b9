"""Clients that are told to stop."""

import asyncio
from itertools import count

from benchmarks.streams.player import Client, Player
from tests.benchmarks.streams.recordings import two_clips

NOBODY = "ws://127.0.0.1:1/stream"


def test_no_further_session_begins_once_it_is_over() -> None:
    asked = count()
    player = Player(NOBODY, "en", {}, is_over=lambda: next(asked) > 1)

    takes = asyncio.run(player.play_all([Client(0, 0.0, (two_clips(),) * 4)], 0.0))

    assert [take.client for take in takes] == [0, 0]
