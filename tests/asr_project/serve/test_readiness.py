"""Who greets a link and who hangs."""

import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from asr_project.serve import readiness
from asr_project.serve.readiness import is_silent


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readiness, "GREETED_WITHIN_S", 0.2)


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "i.sock"))
        listening.listen()
        yield listening


def answering(listener: socket.socket, answer: Callable[[socket.socket], object]) -> Thread:
    def serve() -> None:
        link, _ = listener.accept()
        with link:
            answer(link)

    thread = Thread(target=serve)
    thread.start()
    return thread


def test_a_process_that_greets_is_not_silent(listener: socket.socket, tmp_path: Path) -> None:
    thread = answering(listener, lambda link: link.send(b"hello"))

    assert not is_silent(f"unix:{tmp_path / 'i.sock'}")
    thread.join()


def test_a_process_that_accepts_links_and_says_nothing_is_silent(listener: socket.socket, tmp_path: Path) -> None:
    assert is_silent(f"unix:{tmp_path / 'i.sock'}")


def test_a_process_over_tcp_that_says_nothing_is_silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        assert is_silent(f"tcp:127.0.0.1:{listening.getsockname()[1]}")


def test_a_process_that_hangs_up_is_not_silent(listener: socket.socket, tmp_path: Path) -> None:
    thread = answering(listener, lambda link: None)

    assert not is_silent(f"unix:{tmp_path / 'i.sock'}")
    thread.join()


def test_nobody_listening_is_a_process_that_starts_or_stops(tmp_path: Path) -> None:
    assert not is_silent(f"unix:{tmp_path / 'nobody.sock'}")
