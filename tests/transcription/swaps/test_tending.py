"""What is looked after every few seconds: swaps that nobody carries out, models that are missing, and models left behind."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from tests.transcription.swaps.scripted_fleet import ScriptedFleet
from transcription.models import ASRModel, ModelRoute, ModelSwap
from transcription.swaps import request_swap, run_swap, tend
from transcription.swaps.tending import FIRST_RETRY, QUIET_FOR

Reason, State = ModelSwap.Reason, ModelSwap.State
pytestmark = pytest.mark.django_db


@pytest.fixture
def fleet() -> ScriptedFleet:
    return ScriptedFleet({"inference-0": {"light"}, "inference-1": {"light"}})


def wishes() -> list[tuple[str, str]]:
    """Open swaps: the model and why."""
    return [(swap.to_name, swap.reason) for swap in ModelSwap.objects.open().order_by("pk")]


def age(**by: float) -> None:
    """Let all swaps be older than they are."""
    then = timezone.now() - timedelta(**by)
    ModelSwap.objects.update(updated_at=then, finished_at=then)


def test_where_all_is_as_the_routes_say_nothing_is_done(route: ModelRoute, fleet: ScriptedFleet, sent: list[int]) -> None:
    tend(fleet)

    assert (wishes(), fleet.calls, sent) == ([], [], [])


@pytest.mark.parametrize("state", [State.WAITING, State.LOADING, State.DRAINING])
def test_a_swap_that_is_not_over_is_handed_to_a_worker(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet, sent: list[int], state: str
) -> None:
    swap = request_swap(route, heavy, Reason.MANUAL)
    ModelSwap.objects.update(state=state)

    tend(fleet)

    assert sent == [swap.pk]


def test_a_process_that_was_restarted_gets_its_model_back(route: ModelRoute, fleet: ScriptedFleet) -> None:
    fleet.models["inference-1"] = set()

    tend(fleet)
    run_swap(ModelSwap.objects.get().pk, fleet)

    assert fleet.calls == ["inference-1 loads light"]
    assert ModelSwap.objects.get().reason == Reason.RESTORE


def test_a_lighter_model_is_kept_ready(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    ModelRoute.objects.update(fallback=heavy)

    tend(fleet)

    assert wishes() == [("heavy", "restore")]


def test_a_model_of_partial_texts_is_kept_ready_and_not_unloaded(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    ModelRoute.objects.update(partial_model=heavy)

    tend(fleet)
    assert wishes() == [("heavy", Reason.RESTORE)]
    ModelSwap.objects.all().delete()
    fleet.models = {"inference-0": {"light", "heavy"}, "inference-1": {"light", "heavy"}}
    tend(fleet)

    assert (wishes(), fleet.calls) == ([], [])


def test_one_wish_at_a_time_for_each_route(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    ModelRoute.objects.update(fallback=heavy)
    fleet.models["inference-1"] = set()

    tend(fleet)
    tend(fleet)

    assert wishes() == [("light", "restore")]


def test_a_process_that_is_away_lacks_nothing(route: ModelRoute, fleet: ScriptedFleet) -> None:
    fleet.models["inference-1"] = set()
    fleet.away = {"inference-1"}

    tend(fleet)

    assert wishes() == []


def test_a_route_that_is_not_in_service_needs_nothing(route: ModelRoute, fleet: ScriptedFleet) -> None:
    ModelRoute.objects.update(is_enabled=False)
    fleet.models = {"inference-0": set()}

    tend(fleet)

    assert wishes() == []


def test_a_model_that_cannot_be_restored_is_tried_less_and_less_often(route: ModelRoute, fleet: ScriptedFleet) -> None:
    fleet.models["inference-1"] = set()
    fleet.fails_on = {"inference-1"}

    def tries() -> int:
        for swap in ModelSwap.objects.open():
            run_swap(swap.pk, fleet)
        tend(fleet)
        return ModelSwap.objects.count()

    tend(fleet)
    assert tries() == 1
    age(seconds=FIRST_RETRY.total_seconds() + 1)
    assert tries() == 2
    assert tries() == 2
    ModelSwap.objects.update(updated_at=timezone.now() - FIRST_RETRY - timedelta(seconds=1))
    assert tries() == 2
    age(seconds=2 * FIRST_RETRY.total_seconds() + 1)
    assert tries() == 3


def test_a_model_that_a_dead_worker_left_in_memory_is_unloaded(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    fleet.models["inference-0"].add("heavy")

    tend(fleet)

    assert fleet.models["inference-0"] == {"light"}


def test_a_model_that_processes_load_when_they_start_stays_though_no_route_needs_it(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet, settings: Any
) -> None:
    settings.HARK_MODELS = ["whisper-base", "heavy=/srv/models/heavy.pt"]
    fleet.models["inference-0"].add("heavy")

    tend(fleet)

    assert (fleet.models["inference-0"], fleet.calls) == ({"heavy", "light"}, [])


def test_nothing_is_unloaded_soon_after_a_swap(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    fleet.models["inference-0"].add("heavy")
    ModelSwap.objects.create(route=route, to_name="light", state=State.DONE, finished_at=timezone.now())

    tend(fleet)
    assert fleet.calls == []

    age(seconds=QUIET_FOR.total_seconds() + 1)
    tend(fleet)
    assert fleet.calls == ["inference-0 unloads heavy"]


def test_nothing_is_unloaded_while_a_swap_runs(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    fleet.models["inference-0"].add("heavy")
    request_swap(route, heavy, Reason.MANUAL)

    tend(fleet)

    assert fleet.calls == []


def test_a_model_that_is_in_no_catalogue_is_left_alone(route: ModelRoute, fleet: ScriptedFleet) -> None:
    fleet.models["inference-0"].add("somebodys-own")

    tend(fleet)

    assert fleet.calls == []
