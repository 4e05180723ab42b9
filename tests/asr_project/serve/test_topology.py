"""What each process of Hark is told: addresses, hosts and settings."""

import dataclasses
from pathlib import Path

import pytest

from asr_project.serve import topology
from asr_project.serve.config import ServeConfig
from asr_project.serve.services import ServiceUrls

URLS = ServiceUrls(database_url="postgresql://postgres@/hark?host=/run", redis_url="redis://:pw@127.0.0.1:7000/0")


def config(var_dir: Path = Path("/srv/hark"), **changes: object) -> ServeConfig:
    usual = ServeConfig(
        host="127.0.0.1",
        port=8000,
        var_dir=var_dir,
        database_url="",
        redis_url="",
        inference_address="",
        has_secret_key=False,
        has_allowed_hosts=False,
        inherited={},
    )
    return dataclasses.replace(usual, **changes)  # type: ignore[arg-type] # the tests name real fields


def settings_of(config: ServeConfig) -> dict[str, str]:
    return topology.hark_settings(config, URLS, Path("/srv/hark/secret_key"))


def test_inference_listens_on_a_socket_file_in_the_data_folder() -> None:
    assert topology.inference_address(config()) == "unix:/srv/hark/inference.sock"


def test_a_data_folder_too_deep_for_a_socket_gives_a_port_on_loopback() -> None:
    address = topology.inference_address(config(Path("/srv") / ("x" * 100)))
    kind, host, port = address.split(":")
    assert (kind, host, int(port) > 1023) == ("tcp", "127.0.0.1", True)


def test_an_address_that_the_operator_chose_is_kept() -> None:
    assert topology.inference_address(config(inference_address="tcp:10.0.0.5:9000")) == "tcp:10.0.0.5:9000"


def test_the_secret_key_travels_as_a_file_name() -> None:
    settings = settings_of(config())
    assert settings["SECRET_KEY_FILE"] == "/srv/hark/secret_key"
    assert "SECRET_KEY" not in settings


def test_what_the_operator_has_set_is_not_overridden() -> None:
    settings = settings_of(config(has_secret_key=True, has_allowed_hosts=True, inherited={"HARK_ANONYMOUS": "off"}))
    assert settings.keys().isdisjoint({"SECRET_KEY_FILE", "ALLOWED_HOSTS", "HARK_ANONYMOUS"})


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
