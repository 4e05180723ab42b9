"""One swap carried out: what happens in which order, and that a failure anywhere leaves the old model serving."""

import logging
from collections.abc import Iterator
from datetime import time
from typing import Any

import psycopg
import pytest
from django.db import connection

from inference.messages import LoadModel, UnloadModel
from tests.transcription.swaps.scripted_fleet import ScriptedFleet
from transcription.models import AlertEvent, ASRModel, ModelRoute, ModelSchedule, ModelSwap, RouteOverride
from transcription.swaps import request_beside, request_rollback, request_swap, run_swap, running
from transcription.swaps.locks import NUM_SLOTS, ROUTE_LOCKS, SLOT_LOCKS

Reason, State = ModelSwap.Reason, ModelSwap.State


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> ScriptedFleet:
    """Two processes that have the light model, and web processes that look at once."""
    monkeypatch.setattr(running, "SETTLE_S", 0.0)
    return ScriptedFleet({"inference-0": {"light"}, "inference-1": {"light"}})


@pytest.fixture
def somebody_else() -> Iterator[psycopg.Cursor]:
    """Another connection to the test's database: a second worker."""
    settings = connection.settings_dict
    with psycopg.connect(
        dbname=settings["NAME"], user=settings["USER"], host=settings["HOST"], port=settings["PORT"] or None
    ) as other:
        yield other.cursor()


def carried_out(swap: ModelSwap, fleet: ScriptedFleet) -> ModelSwap:
    run_swap(swap.pk, fleet)
    return ModelSwap.objects.get(pk=swap.pk)


def steps(swap: ModelSwap) -> list[tuple[str, str]]:
    return [(step["worker"], step["stage"]) for step in swap.progress]


def test_a_swap_loads_everywhere_then_switches_then_unloads_the_old_model(
    route: ModelRoute, light: ASRModel, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert fleet.calls == [
        "inference-0 loads heavy",
        "inference-1 loads heavy",
        "inference-0 unloads light",
        "inference-1 unloads light",
    ]
    route.refresh_from_db()
    assert (route.model, route.previous_model) == (heavy, light)
    assert (swap.state, swap.error) == (State.DONE, "")
    assert swap.finished_at is not None
    assert swap.duration_ms is not None


def test_the_record_tells_each_step_of_each_process(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert [stage for worker, stage in steps(swap) if not worker] == [
        "checking",
        "loading",
        "canary",
        "loading",
        "canary",
        "switching",
        "draining",
        "done",
    ]
    of_second = [stage for worker, stage in steps(swap) if worker == "inference-1"]
    assert of_second == ["checking", "loading", "warming", "canary", "loaded", "draining", "unloaded"]
    report = "1.2 s, 90 MB, reference clip: 0% of the words wrong, 0.10 s for a second of audio"
    assert [step["detail"] for step in swap.progress if step["stage"] == "loaded"] == [report, report]


def test_the_route_keeps_the_old_model_until_every_process_has_the_new_one(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    seen: list[str] = []
    fleet.before_load = lambda _worker: seen.append(ModelRoute.objects.get().model.name)

    carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert seen == ["light", "light"]


def test_streams_are_given_to_the_new_model_and_a_reference_clip_is_tried(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    load, unload = fleet.requests[0], fleet.requests[-1]
    assert isinstance(load, LoadModel)
    assert load.canary is not None
    assert (load.canary.language, load.canary.text[:6], load.canary.max_wer) == ("en", "I happ", 0.3)
    assert isinstance(unload, UnloadModel)
    assert (unload.model, unload.successor, unload.drain_s) == ("light", "heavy", 30)


@pytest.mark.parametrize("fails_on", ["inference-0", "inference-1"])
def test_a_process_that_cannot_load_the_model_leaves_everything_as_it_was(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet, fails_on: str, caplog: pytest.LogCaptureFixture
) -> None:
    fleet.fails_on = {fails_on}

    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    route.refresh_from_db()
    assert (route.model.name, route.previous_model) == ("light", None)
    assert fleet.models == {"inference-0": {"light"}, "inference-1": {"light"}}
    assert (swap.state, swap.error) == (State.FAILED, f"{fails_on}: the reference clip came out wrong.")
    assert [record.levelno for record in caplog.records if "failed" in record.message] == [logging.ERROR]


def test_a_process_that_is_away_is_passed_over_and_noted(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    fleet.away = {"inference-0"}

    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert swap.state == State.DONE
    assert fleet.models == {"inference-0": {"light"}, "inference-1": {"heavy"}}
    assert ("inference-0", "unreachable") in steps(swap)


def test_a_swap_fails_while_no_process_answers(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    fleet.away = {"inference-0", "inference-1"}

    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert (swap.state, swap.error) == (State.FAILED, "No inference process answers, so none could load the model.")


def test_a_model_that_is_there_already_is_not_loaded_again(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    fleet.models["inference-0"].add("heavy")

    carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert "inference-0 loads heavy" not in fleet.calls
    assert "inference-1 loads heavy" in fleet.calls


def test_a_failed_swap_is_an_alert_until_one_of_its_route_succeeds(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    fleet.fails_on = {"inference-1"}
    for _time in range(2):
        carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)
    event = AlertEvent.objects.get()
    assert (str(event), event.num_fired) == ("The swap of general/en to heavy failed", 2)
    assert event.detail.startswith("inference-1: ")

    fleet.fails_on = set()
    carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert AlertEvent.objects.get().state == AlertEvent.State.RESOLVED


def test_a_failed_swap_leaves_a_model_that_was_there_before(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    fleet.models["inference-0"].add("heavy")
    fleet.fails_on = {"inference-1"}

    carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert fleet.models["inference-0"] == {"light", "heavy"}


def test_a_model_that_another_route_needs_stays_in_memory(
    route: ModelRoute, light: ASRModel, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    ModelRoute.objects.create(scenario="telephony", language="en", model=heavy, fallback=light)

    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert fleet.models["inference-0"] == {"light", "heavy"}
    assert ("", "kept") in steps(swap)


def test_a_model_that_processes_load_when_they_start_stays_in_memory(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet, settings: Any
) -> None:
    settings.HARK_MODELS = ["light=/srv/models/light.pt"]

    carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert fleet.models["inference-0"] == {"light", "heavy"}


def test_an_old_model_that_cannot_be_unloaded_is_noted_and_the_swap_is_done(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    fleet.keeps = {"inference-0"}

    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert swap.state == State.DONE
    assert ("inference-0", "kept") in steps(swap)
    assert fleet.models == {"inference-0": {"light", "heavy"}, "inference-1": {"heavy"}}


def test_a_route_is_put_into_service_only_when_its_model_is_loaded(
    route: ModelRoute, light: ASRModel, fleet: ScriptedFleet
) -> None:
    ModelRoute.objects.update(is_enabled=False)
    fleet.models = {"inference-0": set()}
    fleet.fails_on = {"inference-0"}

    carried_out(request_swap(route, light, Reason.MANUAL), fleet)
    assert not ModelRoute.objects.get().is_enabled

    fleet.fails_on = set()
    carried_out(request_swap(route, light, Reason.MANUAL), fleet)
    assert ModelRoute.objects.get().is_enabled


def test_one_click_goes_back_and_the_former_swap_says_so(
    route: ModelRoute, light: ASRModel, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    there = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)
    route.refresh_from_db()

    back = carried_out(request_rollback(route), fleet)

    route.refresh_from_db()
    there.refresh_from_db()
    assert (route.model, route.previous_model) == (light, heavy)
    assert (there.state, back.state) == (State.ROLLED_BACK, State.DONE)
    assert fleet.models == {"inference-0": {"light"}, "inference-1": {"light"}}


def test_what_was_chosen_by_hand_stays_until_the_schedule_has_something_else_to_say(
    route: ModelRoute, light: ASRModel, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    ModelSchedule.objects.create(route=route, model=light, days=[*range(7)], starts=time(0), ends=time(0))

    carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert RouteOverride.objects.get().model == heavy


def test_a_restored_model_is_loaded_and_nothing_is_switched(
    route: ModelRoute, light: ASRModel, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    ModelRoute.objects.update(fallback=heavy)

    swap = carried_out(request_swap(route, heavy, Reason.RESTORE), fleet)

    route.refresh_from_db()
    assert (route.model, route.previous_model) == (light, None)
    assert fleet.models == {"inference-0": {"light", "heavy"}, "inference-1": {"light", "heavy"}}
    assert swap.state == State.DONE


def test_a_lighter_model_is_loaded_after_the_routes_own_whoever_is_taken_up_first(
    route: ModelRoute, light: ASRModel, heavy: ASRModel, fleet: ScriptedFleet, sent: list[int]
) -> None:
    ModelRoute.objects.update(is_enabled=False, model=heavy, fallback=light)
    fleet.models = {"inference-0": set()}
    route.refresh_from_db()
    own, lighter = request_swap(route, heavy, Reason.MANUAL), request_beside(route, route.fallback)
    assert lighter is not None

    assert carried_out(lighter, fleet).state == State.WAITING
    assert sent == [own.pk]
    carried_out(own, fleet)

    assert carried_out(lighter, fleet).state == State.DONE
    assert fleet.calls == ["inference-0 loads heavy", "inference-0 loads light"]


def test_a_lighter_model_of_a_route_that_did_not_get_into_service_is_not_loaded(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    ModelRoute.objects.update(is_enabled=False, fallback=heavy)
    route.refresh_from_db()
    lighter = request_beside(route, route.fallback)
    assert lighter is not None

    swap = carried_out(lighter, fleet)

    assert (swap.state, fleet.calls) == (State.FAILED, [])
    assert "not in service" in swap.error


def test_a_model_that_was_disabled_while_the_swap_waited_is_not_loaded(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    wish = request_swap(route, heavy, Reason.MANUAL)
    ASRModel.objects.filter(pk=heavy.pk).update(is_enabled=False)

    assert carried_out(wish, fleet).state == State.FAILED
    assert fleet.calls == []


def test_a_route_that_is_deleted_while_its_model_loads_fails_the_swap(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    wish = request_swap(route, heavy, Reason.MANUAL)

    def delete_all(_worker: str) -> None:
        ModelRoute.objects.all().delete()

    fleet.before_load = delete_all

    swap = carried_out(wish, fleet)

    assert (swap.state, swap.error) == (State.FAILED, "The route was deleted meanwhile.")
    assert fleet.models["inference-0"] == {"light"}


def test_a_swap_whose_worker_died_before_the_switch_fails(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    wish = request_swap(route, heavy, Reason.MANUAL)
    ModelSwap.objects.update(state=State.CANARY)

    swap = carried_out(wish, fleet)

    route.refresh_from_db()
    assert (swap.state, swap.error) == (State.FAILED, running.ABANDONED)
    assert route.model.name == "light"


def test_a_swap_whose_worker_died_after_the_switch_is_brought_to_its_end(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    wish = request_swap(route, heavy, Reason.MANUAL)
    ModelRoute.objects.update(model=heavy)
    ModelSwap.objects.update(state=State.DRAINING)
    fleet.models = {"inference-0": {"light", "heavy"}}

    swap = carried_out(wish, fleet)

    assert swap.state == State.DONE
    assert fleet.models == {"inference-0": {"heavy"}}


def test_a_swap_that_is_over_is_not_carried_out_again(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)
    fleet.calls.clear()

    run_swap(swap.pk, fleet)

    assert fleet.calls == []


def test_a_swap_that_another_worker_carries_out_is_left_alone(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet, somebody_else: psycopg.Cursor
) -> None:
    wish = request_swap(route, heavy, Reason.MANUAL)
    somebody_else.execute("SELECT pg_advisory_lock(%s, %s)", [ROUTE_LOCKS, route.pk])

    assert carried_out(wish, fleet).state == State.WAITING


def test_no_more_than_two_swaps_run_at_a_time(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet, somebody_else: psycopg.Cursor
) -> None:
    wish = request_swap(route, heavy, Reason.MANUAL)
    for number in range(NUM_SLOTS):
        somebody_else.execute("SELECT pg_advisory_lock(%s, %s)", [SLOT_LOCKS, number])
    assert carried_out(wish, fleet).state == State.WAITING

    somebody_else.execute("SELECT pg_advisory_unlock(%s, %s)", [SLOT_LOCKS, 1])
    assert carried_out(wish, fleet).state == State.DONE


def test_who_waited_for_a_swap_is_taken_up_after_it(
    route: ModelRoute, light: ASRModel, heavy: ASRModel, fleet: ScriptedFleet, sent: list[int]
) -> None:
    there = request_swap(route, heavy, Reason.MANUAL)
    back: list[ModelSwap] = []
    fleet.before_load = lambda worker: back.append(request_swap(route, light, Reason.MANUAL)) if worker == "inference-0" else None

    carried_out(there, fleet)

    assert sent == [back[0].pk]
