"""What each process of Hark is told: addresses, hosts and settings."""

import dataclasses
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from asr_project.serve import topology
from asr_project.serve.capacity import Machine
from asr_project.serve.config import ServeConfig
from asr_project.serve.errors import CannotStart
from asr_project.serve.services import ServiceUrls

SMALL = Machine(cores=2.0, memory_bytes=8_000_000_000)
URLS = ServiceUrls(database_url="postgresql://postgres@/hark?host=/run", redis_url="redis://:pw@127.0.0.1:7000/0")


def config(var_dir: Path = Path("/srv/hark"), **changes: object) -> ServeConfig:
    usual = ServeConfig(
        host="127.0.0.1",
        port=8000,
        var_dir=var_dir,
        database_url="",
        redis_url="",
        inference_addresses=(),
        num_inference_processes=None,
        has_secret_key=False,
        has_allowed_hosts=False,
        inherited={},
    )
    return dataclasses.replace(usual, **changes)  # type: ignore[arg-type] # the tests name real fields


def settings_of(config: ServeConfig) -> dict[str, str]:
    return topology.hark_settings(config, URLS, Path("/srv/hark/secret_key"), topology.inference_processes(config, SMALL))


def addresses_of(config: ServeConfig, machine: Machine = SMALL) -> list[str]:
    return [process.address for process in topology.inference_processes(config, machine)]


def test_each_inference_process_listens_on_a_socket_file_of_its_own_in_the_data_folder() -> None:
    assert addresses_of(config()) == ["unix:/srv/hark/inference-0.sock", "unix:/srv/hark/inference-1.sock"]


def test_the_web_side_is_told_all_of_them() -> None:
    assert settings_of(config())["HARK_INFERENCE_ADDRESS"] == "unix:/srv/hark/inference-0.sock,unix:/srv/hark/inference-1.sock"


def test_the_canary_is_told_where_the_web_process_is() -> None:
    assert settings_of(config(host="0.0.0.0", port=9000))["HARK_CANARY_URL"] == "ws://127.0.0.1:9000/stream"
    assert "HARK_CANARY_URL" not in settings_of(config(inherited={"HARK_CANARY_URL": "wss://hark.example.org/stream"}))


def test_an_inference_process_is_told_its_own_address_and_to_use_one_thread() -> None:
    second = topology.inference_processes(config(), SMALL)[1]

    spec = topology.inference({"HARK_INFERENCE_ADDRESS": "of the operator", "OMP_NUM_THREADS": "64"}, second)

    assert spec.name == "inference-1"
    assert spec.environment["HARK_INFERENCE_ADDRESS"] == second.address
    assert spec.environment["OMP_NUM_THREADS"] == "1"
    assert "CUDA_VISIBLE_DEVICES" not in spec.environment


def test_each_process_has_a_port_for_its_metrics_where_they_are_wanted() -> None:
    processes = topology.inference_processes(config(), SMALL)
    ports = [topology.inference({"HARK_METRICS_PORT": "9100"}, each).environment["HARK_METRICS_PORT"] for each in processes]
    assert ports == ["9101", "9102"]
    assert topology.worker({"HARK_METRICS_PORT": "9100"}).environment["HARK_METRICS_PORT"] == "9100"
    assert "HARK_METRICS_PORT" not in topology.inference({}, processes[0]).environment


def test_each_inference_process_has_a_gpu_to_itself() -> None:
    processes = topology.inference_processes(config(), dataclasses.replace(SMALL, devices=("2", "GPU-b")))

    specs = [topology.inference({"CUDA_VISIBLE_DEVICES": "2,GPU-b"}, process) for process in processes]

    assert [spec.environment["CUDA_VISIBLE_DEVICES"] for spec in specs] == ["2", "GPU-b"]


def test_a_data_folder_too_deep_for_a_socket_gives_ports_on_loopback() -> None:
    first, second = addresses_of(config(Path("/srv") / ("x" * 100)))
    kind, host, port = first.split(":")
    assert (kind, host, int(port) > 1023) == ("tcp", "127.0.0.1", True)
    assert first != second


def test_addresses_that_the_operator_chose_are_kept_and_each_has_a_process() -> None:
    chosen = ("tcp:10.0.0.5:9000", "tcp:10.0.0.5:9001", "unix:/run/hark.sock")
    assert addresses_of(config(inference_addresses=chosen)) == list(chosen)


def test_a_number_that_the_operator_chose_is_kept() -> None:
    assert len(addresses_of(config(num_inference_processes=5))) == 5


def test_a_number_that_contradicts_the_addresses_is_named() -> None:
    with pytest.raises(CannotStart, match="HARK_INFERENCE_ADDRESS names 1 and HARK_INFERENCE_PROCESSES asks for 2"):
        addresses_of(config(inference_addresses=("unix:/run/hark.sock",), num_inference_processes=2))


@pytest.mark.parametrize(("value", "number"), [("auto", None), ("3", 3)])
def test_the_number_of_inference_processes_is_read(value: str, number: int | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_INFERENCE_PROCESSES", value)
    assert ServeConfig.from_env().num_inference_processes == number


@pytest.mark.parametrize("value", ["", "0", "-1", "two", "1.5", "257"])
def test_a_number_of_inference_processes_that_cannot_be_is_named(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARK_INFERENCE_PROCESSES", value)
    with pytest.raises(ImproperlyConfigured, match="^HARK_INFERENCE_PROCESSES is .*expected auto or a number from 1 to 256"):
        ServeConfig.from_env()


def test_the_secret_key_travels_as_a_file_name() -> None:
    settings = settings_of(config())
    assert settings["SECRET_KEY_FILE"] == "/srv/hark/secret_key"
    assert "SECRET_KEY" not in settings


def test_what_the_operator_has_set_is_not_overridden() -> None:
    settings = settings_of(config(has_secret_key=True, has_allowed_hosts=True, inherited={"HARK_ANONYMOUS": "off"}))
    assert settings.keys().isdisjoint({"SECRET_KEY_FILE", "ALLOWED_HOSTS", "HARK_ANONYMOUS"})


def test_every_process_and_make_manage_know_where_the_tuning_file_is() -> None:
    assert settings_of(config())["HARK_TUNING_FILE"] == "/srv/hark/tuning.json"
    assert settings_of(config(inherited={"HARK_TUNING_FILE": "/srv/t.json"}))["HARK_TUNING_FILE"] == "/srv/t.json"


def test_make_manage_knows_which_models_the_inference_processes_were_told_to_run() -> None:
    inherited = {"HARK_MODELS": "whisper-base", "HARK_PRECISION": "bf16", "EDITOR": "vi"}

    settings = settings_of(config(inherited=inherited))

    assert {name: settings[name] for name in inherited if name in settings} == {
        "HARK_MODELS": "whisper-base",
        "HARK_PRECISION": "bf16",
    }


def test_its_own_machine_may_speak_without_signing_in() -> None:
    assert settings_of(config())["HARK_ANONYMOUS"] == "loopback"


@pytest.mark.parametrize(
    ("host", "expected"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "127.0.0.1"), ("::1", "[::1]")]
)
def test_the_printed_address_can_be_opened(host: str, expected: str) -> None:
    assert topology.url_host(host) == expected


def test_a_named_host_is_allowed_beside_loopback() -> None:
    assert topology.allowed_hosts("hark.example") == ["localhost", "127.0.0.1", "[::1]", "hark.example"]


def test_listening_everywhere_never_allows_every_host_name() -> None:
    hosts = topology.allowed_hosts("0.0.0.0")
    assert "127.0.0.1" in hosts
    assert set(hosts).isdisjoint({"*", "0.0.0.0"})


def test_the_port_comes_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORT", "8123")
    assert ServeConfig.from_env().port == 8123
