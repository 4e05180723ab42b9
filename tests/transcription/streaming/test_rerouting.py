"""The look that a web process takes at the routes every second: who is led elsewhere, and when the lighter model is taken."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import pytest
from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections

from inference.messages import ModelInfo, WorkerLoad, WorkerStatus
from tests.factories import make_model, make_route
from transcription.models import ModelRoute, ModelSwap
from transcription.serving import routebook
from transcription.serving.fallback import FALL_AFTER_S
from transcription.serving.routebook import RouteBook
from transcription.streaming import rerouting
from transcription.streaming.rerouting import Rerouter

pytestmark = pytest.mark.django_db(transaction=True)
HEAVY = ModelInfo(name="heavy", engine="fake", languages=(), multilingual=True)
LIGHT = ModelInfo(name="light", engine="fake", languages=(), multilingual=True)


@dataclass
class FakeLink:
    status: WorkerStatus
    load: WorkerLoad = WorkerLoad()


@dataclass
class FakeClient:
    workers: list[FakeLink]


@dataclass
class FakeStream:
    """Counts how often it is asked to look at the routes."""

    session_id: UUID = field(default_factory=uuid4)
    num_looks: int = 0
    is_broken: bool = False
    has_crashed: bool = False

    def reroute(self) -> None:
        if self.is_broken:
            raise RuntimeError("broken on purpose")
        self.num_looks += 1

    def crash(self) -> None:
        self.has_crashed = True


@pytest.fixture
def worker() -> FakeLink:
    return FakeLink(WorkerStatus(node="a", is_ready=True, models=(HEAVY, LIGHT)))


@pytest.fixture(autouse=True)
def streams(monkeypatch: pytest.MonkeyPatch, worker: FakeLink) -> list[FakeStream]:
    spoken = [FakeStream(), FakeStream()]
    monkeypatch.setattr(rerouting, "live_streams", lambda: {stream.session_id: stream for stream in spoken})
    monkeypatch.setattr(rerouting, "current_client", lambda: FakeClient([worker]))
    return spoken


@pytest.fixture(autouse=True)
async def no_connection_left() -> AsyncIterator[None]:
    yield
    await sync_to_async(connections.close_all)()


async def change(step: Any, *args: Any, **fields: Any) -> Any:
    return await sync_to_async(step)(*args, **fields)


async def test_streams_are_asked_when_a_route_has_changed_and_only_then(streams: list[FakeStream]) -> None:
    route = await change(make_route, "heavy")
    rerouter = Rerouter(RouteBook())
    await rerouter.look(0.0)
    await rerouter.look(1.0)
    assert streams[0].num_looks == 1

    await change(ModelRoute.objects.filter(pk=route.pk).update, model=await change(make_model, "light"))
    await rerouter.look(2.0)

    assert [stream.num_looks for stream in streams] == [2, 2]


async def test_streams_are_asked_when_other_models_are_loaded(streams: list[FakeStream], worker: FakeLink) -> None:
    rerouter = Rerouter(RouteBook())
    await rerouter.look(0.0)
    before = streams[0].num_looks
    worker.status = WorkerStatus(node="a", is_ready=True, models=(LIGHT,))

    await rerouter.look(1.0)

    assert streams[0].num_looks == before + 1


async def test_a_stream_at_fault_ends_and_the_others_are_led_on(streams: list[FakeStream]) -> None:
    streams[0].is_broken = True

    rerouting.reroute_all()

    assert (streams[0].has_crashed, streams[1].num_looks) == (True, 1)


async def test_the_lighter_model_is_taken_when_texts_stay_late_and_is_written_down(worker: FakeLink) -> None:
    await change(make_route, "heavy", fallback=await change(make_model, "light"))
    book = RouteBook()
    rerouter = Rerouter(book)
    worker.load = WorkerLoad(queue_ms=4000.0)

    await rerouter.look(0.0)
    assert book.table.choice_for(None, ["en"], (HEAVY, LIGHT)).model == "heavy"
    await rerouter.look(FALL_AFTER_S)

    assert book.table.choice_for(None, ["en"], (HEAVY, LIGHT)).model == "light"
    swap = await change(ModelSwap.objects.get)
    assert (swap.reason, swap.to_name, swap.note) == ("fallback", "light", "Texts were 4000 ms late.")


async def test_streams_follow_the_lighter_model_at_once(streams: list[FakeStream], worker: FakeLink) -> None:
    await change(make_route, "heavy", fallback=await change(make_model, "light"))
    rerouter = Rerouter(RouteBook())
    worker.load = WorkerLoad(queue_ms=4000.0)
    await rerouter.look(0.0)

    await rerouter.look(FALL_AFTER_S)

    assert streams[0].num_looks == 2


async def test_a_database_that_is_away_leaves_what_was_known(monkeypatch: pytest.MonkeyPatch) -> None:
    await change(make_route, "heavy")
    book = RouteBook()
    await book.read()

    def away() -> None:
        raise DatabaseError("away")

    monkeypatch.setattr(routebook, "read_table", away)
    with pytest.raises(DatabaseError):
        await Rerouter(book).look(0.0)

    assert book.table.choice_for(None, ["en"], (HEAVY,)).model == "heavy"


async def test_routes_out_of_service_are_not_read() -> None:
    await change(make_route, "heavy", is_enabled=False)
    book = RouteBook()

    await book.read()

    assert book.table.routes == ()


async def test_a_stream_that_comes_first_waits_for_the_routes_but_not_for_ever() -> None:
    book = RouteBook()

    await book.wait_read(0.01)
    await book.read()

    await book.wait_read(60.0)
