"""Swaps over two real inference processes with the scripted engine: as beat and the worker run them, without Celery between."""

import json
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import soundfile

from inference.engines.fake import speak
from inference.messages import ModelInfo
from tests.inference.worker import Worker, running_worker, wait_until
from transcription.models import ASRModel, ModelRoute, ModelSwap
from transcription.swaps import InferenceFleet, request_swap, run_swap, running, tend

pytestmark = [pytest.mark.django_db, pytest.mark.integration]
Reason, State = ModelSwap.Reason, ModelSwap.State


@pytest.fixture(autouse=True)
def quick_web_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "SETTLE_S", 0.0)


@pytest.fixture(autouse=True)
def a_clip_that_the_scripted_engine_hears(tmp_path: Path, settings: Any) -> None:
    settings.HARK_CANARY_DIR = tmp_path
    soundfile.write(tmp_path / "clip.wav", speak("alpha bravo charlie"), 16_000, subtype="PCM_16")
    line = {"file": "clip.wav", "text": "Alpha, bravo, charlie.", "lang": "en-GB"}
    (tmp_path / "manifest.jsonl").write_text(json.dumps(line))


@pytest.fixture
def processes(tmp_path: Path, settings: Any) -> Iterator[list[Worker]]:
    """Both started with the scripted engine, called fake."""
    addresses = [f"unix:{tmp_path / f'{number}.sock'}" for number in range(2)]
    settings.HARK_INFERENCE_ADDRESS = ",".join(addresses)
    settings.HARK_MODELS = ["fake"]
    with running_worker(addresses[0]) as first, running_worker(addresses[1]) as second:
        wait_until(lambda: all(status.is_ready for status in InferenceFleet().statuses().values()))
        yield [first, second]


@pytest.fixture
def scripted() -> ASRModel:
    return ASRModel.objects.create(name="fake", engine="fake", multilingual=True)


@pytest.fixture
def route(scripted: ASRModel) -> ModelRoute:
    return ModelRoute.objects.create(model=scripted)


def a_model(name: str, faults: str = "") -> ASRModel:
    return ASRModel.objects.create(name=name, engine="fake", source=f"fake?{faults}" if faults else "fake", multilingual=True)


def in_memory() -> list[list[str]]:
    return [[info.name for info in models_of(worker)] for worker in InferenceFleet().statuses()]


def models_of(worker: str) -> tuple[ModelInfo, ...]:
    return InferenceFleet().statuses()[worker].models


def carried_out(swap: ModelSwap) -> ModelSwap:
    run_swap(swap.pk, InferenceFleet())
    return ModelSwap.objects.get(pk=swap.pk)


def test_a_process_that_is_held_up_is_waited_for(processes: list[Worker]) -> None:
    held_up = processes[1].process
    assert held_up is not None
    held_up.send_signal(signal.SIGSTOP)
    threading.Timer(1.5, held_up.send_signal, [signal.SIGCONT]).start()

    loads = InferenceFleet().loads()

    assert all(load.num_free > 0 for load in loads.values())


@pytest.mark.usefixtures("processes")
def test_a_model_takes_the_place_of_another_on_both_processes_and_back(route: ModelRoute) -> None:
    first, second = a_model("first"), a_model("second")

    assert carried_out(request_swap(route, first, Reason.MANUAL)).error == ""
    assert in_memory() == [["fake", "first"], ["fake", "first"]]

    swap = carried_out(request_swap(route, second, Reason.MANUAL))
    assert (swap.state, swap.error) == (State.DONE, "")
    assert in_memory() == [["fake", "second"], ["fake", "second"]]
    reports = [step["detail"] for step in swap.progress if step["stage"] == "loaded"]
    assert len(reports) == 2
    assert all("reference clip: 0% of the words wrong" in report for report in reports)


@pytest.mark.usefixtures("processes")
@pytest.mark.parametrize(("faults", "sentence"), [("is_mute=1", "words"), ("fails_to_load=1", "")])
def test_a_model_that_hears_wrongly_or_does_not_load_changes_nothing(route: ModelRoute, faults: str, sentence: str) -> None:
    swap = carried_out(request_swap(route, a_model("broken", faults), Reason.MANUAL))

    route.refresh_from_db()
    assert (route.model.name, swap.state) == ("fake", State.FAILED)
    assert swap.error.startswith("inference-0: ")
    assert sentence in swap.error
    assert in_memory() == [["fake"], ["fake"]]


def test_a_process_that_is_killed_while_it_loads_fails_the_swap(route: ModelRoute, processes: list[Worker]) -> None:
    wish = request_swap(route, a_model("slow", "load_delay_s=20"), Reason.MANUAL)
    fleet = InferenceFleet()
    original = running.SwapRun.on_stage

    def kill_while_loading(run: running.SwapRun, worker: str, stage: str, detail: str) -> None:
        original(run, worker, stage, detail)
        if stage == "loading":
            processes[0].kill()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(running.SwapRun, "on_stage", kill_while_loading)
        run_swap(wish.pk, fleet)

    swap = ModelSwap.objects.get(pk=wish.pk)
    route.refresh_from_db()
    assert (swap.state, route.model.name) == (State.FAILED, "fake")
    assert "inference-0" in swap.error
    assert in_memory() == [[], ["fake"]]


def test_a_process_that_was_restarted_is_given_its_model_again(route: ModelRoute, processes: list[Worker]) -> None:
    carried_out(request_swap(route, a_model("first"), Reason.MANUAL))
    processes[1].restart()
    wait_until(lambda: in_memory() == [["fake", "first"], ["fake"]])

    tend(InferenceFleet())
    carried_out(ModelSwap.objects.open().get())

    assert in_memory() == [["fake", "first"], ["fake", "first"]]
