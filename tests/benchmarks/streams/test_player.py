"""What clients ask for, and clients that are told to stop."""

import asyncio
import json
from itertools import count

from benchmarks.streams.player import Client, Player, Server, Take
from tests.benchmarks.streams.recordings import two_clips

NOBODY = "ws://127.0.0.1:1/stream"


def test_no_further_session_begins_once_it_is_over() -> None:
    asked = count()
    player = Player(Server(NOBODY, "en"), {}, is_over=lambda: next(asked) > 1)

    takes = asyncio.run(player.play_all([Client(0, 0.0, (two_clips(),) * 4)], 0.0))

    assert [take.client for take in takes] == [0, 0]


def test_a_scenario_is_asked_for_where_one_is_named() -> None:
    plain, special = Server(NOBODY, "en"), Server(NOBODY, "en", "commands", frame_ms=200)

    assert json.loads(plain.start_message) == {"type": "start", "language": "en"}
    assert json.loads(special.start_message) == {"type": "start", "language": "en", "scenario": "commands"}
    assert (plain.frame_bytes, special.frame_bytes) == (3_200, 6_400)


def test_audio_is_due_with_the_frame_that_it_is_sent_in() -> None:
    take = Take(0, two_clips(), 100.0, frame_ms=200)

    assert [take.due_s(at_ms) for at_ms in (0, 1, 200, 201)] == [100.0, 100.2, 100.2, 100.4]
