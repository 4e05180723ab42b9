"""Swaps where both models do not fit into a process beside each other: who makes room when, and what a failure leaves."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from inference.messages import LoadModel, UnloadModel, WorkerLoad
from tests.transcription.swaps.scripted_fleet import TOO_SHORT, ScriptedFleet
from transcription.models import ASRModel, ModelRoute, ModelSwap
from transcription.swaps import request_rollback, request_swap, run_swap, running
from transcription.swaps.errors import SwapFailed

Reason, State = ModelSwap.Reason, ModelSwap.State
SHORT = f"inference-0: {TOO_SHORT.format('heavy')}"


@pytest.fixture
def fleet(monkeypatch: pytest.MonkeyPatch) -> ScriptedFleet:
    """Two processes that have the light model and memory for one, and web processes that look at once."""
    monkeypatch.setattr(running, "SETTLE_S", 0.0)
    return ScriptedFleet(
        {"inference-0": {"light"}, "inference-1": {"light"}},
        num_models={"inference-0": 1, "inference-1": 1},
        loads_always={"light"},
        jobs={"inference-0": WorkerLoad(num_streams=4, num_free=6), "inference-1": WorkerLoad(num_streams=3, num_free=7)},
    )


def carried_out(swap: ModelSwap, fleet: ScriptedFleet) -> ModelSwap:
    run_swap(swap.pk, fleet)
    return ModelSwap.objects.get(pk=swap.pk)


def noted(swap: ModelSwap, *stages: str) -> list[tuple[str, str, str]]:
    return [(step["worker"], step["stage"], step["detail"]) for step in swap.progress if step["stage"] in stages]


def assert_as_before(swap: ModelSwap, fleet: ScriptedFleet) -> None:
    """The old model serves everywhere, and the swap says that it failed."""
    route = ModelRoute.objects.get()
    assert (route.model.name, route.previous_model, route.usual_model) == ("light", None, None)
    assert fleet.models == {"inference-0": {"light"}, "inference-1": {"light"}}
    assert swap.state == State.FAILED


def test_one_process_makes_room_before_the_switch_and_the_other_one_after_it(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    seen: list[str] = []
    fleet.before_load = lambda worker: seen.append(f"{worker}: {ModelRoute.objects.get().model}")

    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert (swap.state, swap.error) == (State.DONE, "")
    assert fleet.calls == [
        "inference-0 loads heavy",
        "inference-0 sends away light for ",
        "inference-0 loads heavy",
        "inference-1 loads heavy",
        "inference-0 unloads light",
        "inference-1 sends away light for heavy",
        "inference-1 loads heavy",
    ]
    assert seen == ["inference-0: light", "inference-0: light", "inference-1: light", "inference-1: heavy"]
    assert fleet.models == {"inference-0": {"heavy"}, "inference-1": {"heavy"}}


def test_never_are_both_processes_without_a_model_that_serves(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    assert_somebody_serves(fleet, lambda: carried_out(request_swap(route, heavy, Reason.MANUAL), fleet))


def test_two_processes_that_make_room_before_the_switch_would_be_noticed(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    fleet.models["inference-1"] = set()

    with pytest.raises(AssertionError, match="nobody serves light"):
        assert_somebody_serves(fleet, lambda: fleet.unload("inference-0", UnloadModel(model="light"), lambda *_step: None))


def assert_somebody_serves(fleet: ScriptedFleet, act: Callable[[], object]) -> None:
    """At each change of what a process has, the model of the route is in one of them."""
    served: list[str] = []
    unload = fleet.unload

    def look(*args: object) -> object:
        answer = unload(*args)  # type: ignore[arg-type]  # as they came
        model = ModelRoute.objects.get().model.name
        if not any(model in names for names in fleet.models.values()):
            served.append(f"nobody serves {model}")
        return answer

    fleet.unload = look  # type: ignore[method-assign, assignment]  # it looks on
    act()
    assert served == []


def test_the_record_says_where_room_was_made_and_why(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    short = "There is too little memory for both models"
    assert noted(swap, "room", "later") == [
        ("inference-0", "room", f"{short}, so light makes room here first; its streams go on at inference-1."),
        ("inference-1", "later", f"{short}: light makes room here when streams have gone over to inference-0."),
    ]
    report = "500 MB before, 410 MB after, 2 streams went on in other processes"
    assert noted(swap, "unloaded") == [("inference-0", "unloaded", report), ("inference-1", "unloaded", report)]
    assert [worker for worker, _stage, _detail in noted(swap, "loaded")] == ["inference-0", "inference-1"]


def test_each_model_that_is_loaded_where_room_was_made_hears_the_clip(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    loads = [request for request in fleet.requests if isinstance(request, LoadModel)]
    assert all(load.canary is not None for load in loads)


def test_the_route_knows_the_model_before_and_goes_back_the_same_way(
    route: ModelRoute, light: ASRModel, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    there = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)
    route.refresh_from_db()
    assert (route.model, route.previous_model) == (heavy, light)

    back = carried_out(request_rollback(route), fleet)

    route.refresh_from_db()
    there.refresh_from_db()
    assert (route.model, route.previous_model) == (light, heavy)
    assert (there.state, back.state) == (State.ROLLED_BACK, State.DONE)
    assert fleet.models == {"inference-0": {"light"}, "inference-1": {"light"}}


def test_only_the_process_that_is_short_of_memory_makes_room(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    fleet.num_models = {"inference-0": 1}

    carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert [call for call in fleet.calls if call.startswith("inference-1")] == [
        "inference-1 loads heavy",
        "inference-1 unloads light",
    ]
    assert fleet.models == {"inference-0": {"heavy"}, "inference-1": {"heavy"}}


# --- Refused


def refusal(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> str:
    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)
    assert swap.state == State.FAILED
    assert not any("sends away" in call for call in fleet.calls)
    return swap.error


def test_the_only_process_that_serves_the_old_model_makes_no_room(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    fleet.away = {"inference-1"}

    assert refusal(route, heavy, fleet) == (
        f"{SHORT} No other inference process serves light, so none could take its streams while room is made."
    )


@pytest.mark.parametrize(
    ("job", "num_free"),
    [(WorkerLoad(num_free=3), 3), (WorkerLoad(num_free=9, is_overloaded=True), 0), (WorkerLoad(is_full=True), 0)],
)
def test_no_room_is_made_where_the_others_have_too_few_places(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet, job: WorkerLoad, num_free: int
) -> None:
    fleet.jobs["inference-1"] = job

    assert refusal(route, heavy, fleet) == (
        f"{SHORT} Room could be made, but its 4 streams would have to go on at inference-1, where {num_free} places are left. "
        "Try again when fewer people speak."
    )


MUST_STAY = f"{SHORT} Room cannot be made: light stays in memory, since another route or HARK_MODELS names it."


def test_a_model_of_another_route_makes_no_room(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    ModelRoute.objects.create(scenario="telephony", model=route.model)

    assert refusal(route, heavy, fleet) == MUST_STAY


def test_a_model_that_processes_load_when_they_start_makes_no_room(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet, settings: Any
) -> None:
    settings.HARK_MODELS = ["light"]

    assert refusal(route, heavy, fleet) == MUST_STAY


def test_a_model_that_is_only_restored_makes_no_room(route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet) -> None:
    ModelRoute.objects.update(fallback=heavy)

    swap = carried_out(request_swap(route, heavy, Reason.RESTORE), fleet)

    assert (swap.state, swap.error) == (State.FAILED, SHORT)


# --- Failures


def test_a_model_that_fails_where_room_was_made_brings_the_old_one_back(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    fleet.fails_on = {"inference-0"}

    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert_as_before(swap, fleet)
    assert swap.error == "inference-0: the reference clip came out wrong."
    assert noted(swap, "back") == [("inference-0", "back", "light is loaded again.")]


def test_a_swap_that_leaves_a_process_without_its_model_would_be_noticed(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    fleet.fails_on = {"inference-0"}
    fleet.loads_always = set()

    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert noted(swap, "missing")[0][2] == "light could not be loaded again: inference-0: the reference clip came out wrong."
    with pytest.raises(AssertionError):
        assert_as_before(swap, fleet)


def test_a_model_that_fails_in_the_second_process_brings_the_old_one_back_to_the_first(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    fleet.num_models["inference-1"] = 9
    fleet.fails_on = {"inference-1"}

    assert_as_before(carried_out(request_swap(route, heavy, Reason.MANUAL), fleet), fleet)


def test_a_model_that_fails_after_the_switch_takes_the_route_and_every_process_back(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    fleet.fails_on = {"inference-1"}

    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    assert_as_before(swap, fleet)
    assert swap.error == "inference-1: the reference clip came out wrong."
    assert [worker for worker, _stage, _detail in noted(swap, "back")] == ["inference-1", "inference-0"]


def test_where_no_process_has_the_old_model_any_more_the_new_one_goes_on(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    fleet.fails_on = {"inference-1"}
    fleet.loads_always = set()

    swap = carried_out(request_swap(route, heavy, Reason.MANUAL), fleet)

    route.refresh_from_db()
    assert (route.model, swap.state) == (heavy, State.DONE)
    assert fleet.models == {"inference-0": {"heavy"}, "inference-1": set()}
    assert noted(swap, "kept")[0][2] == "No inference process has light any more, so heavy goes on serving."


def test_a_process_that_does_not_send_its_streams_away_keeps_everything_as_it_was(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    fleet.keeps = {"inference-0"}

    assert_as_before(carried_out(request_swap(route, heavy, Reason.MANUAL), fleet), fleet)


# --- Workers that die


class Killed(BaseException):
    """A worker that is killed runs nothing more."""


def killed_before(fleet: ScriptedFleet, swap: ModelSwap, call: str) -> ModelSwap:
    """Its worker dies before the process is asked for that; another one takes the swap up."""
    load = fleet.load

    def die(worker: str, request: LoadModel, on_stage: object) -> object:
        if f"{worker} loads {request.spec.name}" == call and any("sends away" in past for past in fleet.calls):
            raise Killed
        return load(worker, request, on_stage)  # type: ignore[arg-type]  # as it came

    fleet.load = die  # type: ignore[method-assign, assignment]  # once
    with pytest.raises(Killed):
        run_swap(swap.pk, fleet)
    fleet.load = load  # type: ignore[method-assign]
    return carried_out(swap, fleet)


def killed_at(step: str, swap: ModelSwap, fleet: ScriptedFleet, monkeypatch: pytest.MonkeyPatch) -> ModelSwap:
    """Its worker dies where that step of `SwapRun` begins."""

    def die(_run: running.SwapRun) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(running.SwapRun, step, die)
        with pytest.raises(Killed):
            run_swap(swap.pk, fleet)
    return swap


def test_a_worker_that_dies_while_room_is_made_leaves_the_old_model_to_be_loaded_again(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    swap = killed_before(fleet, request_swap(route, heavy, Reason.MANUAL), "inference-0 loads heavy")

    assert_as_before(swap, fleet)
    assert swap.error == running.ABANDONED


def test_room_that_is_due_after_the_switch_is_made_by_another_worker(
    route: ModelRoute, light: ASRModel, heavy: ASRModel, fleet: ScriptedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    swap = killed_at("drain", request_swap(route, heavy, Reason.MANUAL), fleet, monkeypatch)
    assert fleet.models == {"inference-0": {"heavy"}, "inference-1": {"light"}}

    swap = carried_out(swap, fleet)

    route.refresh_from_db()
    assert (swap.state, route.model, route.previous_model) == (State.DONE, heavy, light)
    assert fleet.models == {"inference-0": {"heavy"}, "inference-1": {"heavy"}}


def test_a_worker_that_dies_while_the_route_goes_back_is_followed_by_one_that_finishes_that(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    fleet.fails_on = {"inference-1"}
    swap = killed_at("give_back", request_swap(route, heavy, Reason.MANUAL), fleet, monkeypatch)
    assert fleet.models == {"inference-0": {"heavy"}, "inference-1": {"light"}}

    assert_as_before(carried_out(swap, fleet), fleet)


def test_a_process_that_cannot_be_told_who_stands_for_the_old_model_does_not_stop_the_swap(
    route: ModelRoute, heavy: ASRModel, fleet: ScriptedFleet
) -> None:
    unload = fleet.unload

    def lose(worker: str, request: UnloadModel, on_stage: object) -> object:
        if request == structs.replace(request, model="light", successor="heavy", is_elsewhere=False):
            raise SwapFailed("inference-0: the link was lost.")
        return unload(worker, request, on_stage)  # type: ignore[arg-type]  # as it came

    fleet.unload = lose  # type: ignore[method-assign, assignment]  # from now on

    assert carried_out(request_swap(route, heavy, Reason.MANUAL), fleet).state == State.DONE
