"""A stream that is to go over to a model that its process does not have is told again when the process has it."""

from dataclasses import dataclass
from typing import Any, cast

import pytest

from inference.client import InferenceClient, StreamHandle, pool
from inference.client.placement import Candidate
from inference.client.worker_link import LinkOwner
from inference.messages import (
    AnyStreamRequest,
    ConfigureStream,
    ModelChanged,
    ModelInfo,
    StreamOpened,
    StreamOptions,
    WorkerLoad,
    WorkerStatus,
)


class Link:
    """Stands for a link to a process; `requests`: what the process was told."""

    was_tried = can_take = True

    def __init__(self, name: str, _address: str, owner: LinkOwner) -> None:
        self.name = name
        self.owner = owner
        self.load = WorkerLoad()
        self.requests: list[AnyStreamRequest] = []
        self.has("old")

    def has(self, *names: str, leaving: tuple[str, ...] = ()) -> None:
        """Its process says which models it has."""
        models = tuple(
            ModelInfo(name=name, engine="fake", languages=(), multilingual=True, is_draining=name in leaving) for name in names
        )
        self.status = WorkerStatus(node=self.name, is_ready=True, models=models)
        self.owner.on_news(self)  # type: ignore[arg-type]

    @property
    def candidate(self) -> Candidate:
        return Candidate(self.status.models, self.load, num_placed=len(self.requests))

    def has_room_for(self, _handle: StreamHandle) -> bool:
        return True

    def open(self, _stream: int, requests: list[AnyStreamRequest]) -> None:
        self.requests += requests

    def put(self, request: AnyStreamRequest, *, can_wait: bool = False) -> None:
        self.requests.append(request)


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> InferenceClient:
    """Of two processes."""
    monkeypatch.setattr(pool, "WorkerLink", Link)
    return InferenceClient("one", "two")


@dataclass(frozen=True)
class Speaker:
    """A stream that is heard with the model `old`, and the link to the process that hears it."""

    handle: StreamHandle
    link: Link

    @property
    def changes(self) -> list[ConfigureStream]:
        """What the process was told to change."""
        mine = [request for request in self.link.requests if request.stream == self.handle.number]
        return [request for request in mine if isinstance(request, ConfigureStream)]

    def change(self, **fields: Any) -> None:
        self.handle.configure(ConfigureStream(stream=self.handle.number, **fields))


def speaker(client: InferenceClient) -> Speaker:
    handle = client.open_stream(StreamOptions(languages=("en",)), lambda _events: None)
    handle.take([StreamOpened(stream=handle.number, model="old", language="en")])
    links = cast(list[Link], client.workers)
    [link] = [link for link in links if any(request.stream == handle.number for request in link.requests)]
    return Speaker(handle, link)


async def test_a_stream_is_told_again_once_its_process_has_the_model_and_with_all_that_came_with_it(
    client: InferenceClient,
) -> None:
    alice = speaker(client)
    alice.change(model="new", languages=("zh",))
    alice.change(hotwords=("Hark",))

    alice.link.has("old", "new")
    alice.link.has("old", "new")

    [again] = alice.changes[2:]
    assert (again.model, again.languages, again.hotwords) == ("new", ("zh",), ("Hark",))


async def test_what_another_process_gets_concerns_nobody_here(client: InferenceClient) -> None:
    alice, bob = speaker(client), speaker(client)
    assert alice.link is not bob.link
    alice.change(model="new")

    bob.link.has("old", "new")

    assert (len(alice.changes), bob.changes) == (1, [])


async def test_a_model_that_is_just_leaving_is_not_there(client: InferenceClient) -> None:
    alice = speaker(client)
    alice.change(model="new")
    alice.link.has("old", "new", leaving=("new",))
    assert len(alice.changes) == 1

    alice.link.has("old", "new")

    assert len(alice.changes) == 2


async def test_nobody_is_told_again_who_has_the_model_or_wants_none(client: InferenceClient) -> None:
    alice, bob = speaker(client), speaker(client)
    alice.change(model="new")
    alice.handle.take([ModelChanged(stream=alice.handle.number, model="new", from_segment=0)])

    for each in (alice, bob):
        each.link.has("new")

    assert (len(alice.changes), bob.changes) == (1, [])


async def test_a_stream_is_told_again_once_its_process_has_the_model_that_shall_write_partials(client: InferenceClient) -> None:
    alice = speaker(client)
    alice.change(model="old", partial_model="fast")
    alice.handle.take([ModelChanged(stream=alice.handle.number, model="old", from_segment=0)])

    alice.link.has("old", "fast")
    alice.link.has("old", "fast")

    [again] = alice.changes[1:]
    assert (again.model, again.partial_model) == ("old", "fast")
