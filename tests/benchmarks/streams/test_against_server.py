"""The whole benchmark for a few seconds, with the clips that come with the project, against the real server."""

import json
from pathlib import Path

import pytest

from benchmarks.speech import Clip
from benchmarks.streams.__main__ import Bench, ladder
from benchmarks.streams.player import Server
from benchmarks.streams.plot import draw
from benchmarks.streams.tape import listen
from benchmarks.streams.watch import server_root
from tests.speech import FOLDER, clips
from tests.stack import Stack

pytestmark = [pytest.mark.integration]


def shipped() -> list[Clip]:
    return [
        Clip(each.name, FOLDER / f"{each.name}.flac", each.text, "en", "read", len(each.audio) / 16_000) for each in clips("en")
    ]


def test_two_streams_are_measured_and_accounted_for(hark_server: Stack, tmp_path: Path) -> None:
    bench = Bench(
        server=Server(hark_server.ws_url, "en"),
        root=server_root(hark_server.port),
        sounds=[listen(clip) for clip in shipped()],
        whole={clip.name: clip.text for clip in shipped()},
    )

    measured = ladder(bench, [2], seconds=12, tell=print, to_the_end=True)[0]

    assert (measured.num_sessions, measured.failures) == (2, [])
    assert measured.delays["end_to_final"].num + measured.num_joined + measured.num_missed > 0
    assert measured.delays["age"].num > measured.delays["end_to_final"].num
    assert measured.live_percent < 25
    assert measured.server.roles["web"].rss_end_mib > 0
    draw({"results": [json.loads(json.dumps(measured.as_dict()))]}, tmp_path / "plot.svg")
    assert "streams" in (tmp_path / "plot.svg").read_text(encoding="utf-8")


def test_a_server_that_is_not_there_fails_every_session() -> None:
    bench = Bench(
        Server("ws://127.0.0.1:1/stream", "en"), None, [listen(clip) for clip in shipped()], {clip.name: "" for clip in shipped()}
    )

    measured = ladder(bench, [1], seconds=1, tell=print, to_the_end=False)[0]

    assert measured.broken_rules() == ["1 of 1 sessions failed"]
