"""System checks: contradicting settings are named before anybody connects."""

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from transcription.checks import inference_address_problem


def ids(*, is_deployed: bool = False) -> list[str]:
    found = run_checks(include_deployment_checks=is_deployed)
    return [str(message.id) for message in found if str(message.id).startswith("hark.")]


def test_the_default_settings_pass() -> None:
    assert ids() == []


@pytest.mark.parametrize(
    ("https_only", "hosts", "expected"),
    [
        (False, ["localhost", "127.0.0.1", "[::1]"], []),
        (True, ["localhost"], ["hark.W001"]),
        (False, ["localhost", "hark.example.org"], ["hark.W001"]),
        (False, ["*"], ["hark.W001"]),
    ],
)
def test_trusted_anonymous_visitors_on_a_public_server_are_a_warning(
    settings: Settings, https_only: bool, hosts: list[str], expected: list[str]
) -> None:
    settings.HARK_ANONYMOUS = "loopback"
    settings.HTTPS_ONLY = https_only
    settings.ALLOWED_HOSTS = hosts

    assert ids() == expected


def test_a_public_server_without_anonymous_visitors_is_fine(settings: Settings) -> None:
    settings.HARK_ANONYMOUS = "off"
    settings.HTTPS_ONLY = True

    assert ids() == []


@pytest.mark.parametrize(
    "address",
    ["unix:/run/hark/inference.sock", "tcp:127.0.0.1:9000", "tcp:inference.internal:65535", "tcp:[::1]:9000"],
)
def test_a_good_inference_address_passes(address: str) -> None:
    assert inference_address_problem(address) == ""


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("", "neither"),
        ("127.0.0.1:9000", "neither"),
        ("http://127.0.0.1:9000", "neither"),
        ("tcp:127.0.0.1", "neither"),
        ("tcp::9000", "neither"),
        ("tcp:::1:9000", "neither"),
        ("tcp:127.0.0.1:0", "between 1 and 65535"),
        ("tcp:127.0.0.1:70000", "between 1 and 65535"),
        ("unix:run/hark.sock", "absolute"),
        ("unix:", "absolute"),
        ("unix:/" + "x" * 107, "108 bytes"),
    ],
)
def test_a_bad_inference_address_is_an_error_that_says_what_was_expected(settings: Settings, address: str, problem: str) -> None:
    settings.HARK_INFERENCE_ADDRESS = address

    (error,) = [message for message in run_checks() if message.id == "hark.E001"]

    assert problem in error.msg
    assert "unix:/path/to/socket or tcp:host:port" in str(error.hint)


def test_each_of_several_inference_addresses_is_checked(settings: Settings) -> None:
    settings.HARK_INFERENCE_ADDRESS = "unix:/run/a.sock, unix:/run/b.sock"
    assert ids() == []

    settings.HARK_INFERENCE_ADDRESS = "unix:/run/a.sock,tcp:127.0.0.1:0"
    (error,) = [message for message in run_checks() if message.id == "hark.E001"]
    assert "holds 'tcp:127.0.0.1:0'" in error.msg


@pytest.mark.parametrize(
    ("debug", "https_only", "hosts", "expected"),
    [
        (True, False, ["localhost"], []),
        (True, True, ["localhost"], ["hark.W002"]),
        (True, False, ["hark.example.org"], ["hark.W002"]),
        (False, True, ["hark.example.org"], []),
    ],
)
def test_error_pages_with_source_code_on_a_public_server_are_a_warning(
    settings: Settings, debug: bool, https_only: bool, hosts: list[str], expected: list[str]
) -> None:
    settings.DEBUG, settings.HTTPS_ONLY, settings.ALLOWED_HOSTS = debug, https_only, hosts

    assert ids() == expected


def test_an_origin_without_tls_on_a_server_with_tls_is_a_warning(settings: Settings) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["http://hark.example.org", "https://hark.example.org"]
    assert ids() == []

    settings.HTTPS_ONLY = True
    assert ids() == ["hark.W003"]


def test_a_proxy_that_nobody_named_is_a_warning_when_it_is_deployed(settings: Settings) -> None:
    settings.HTTPS_ONLY = True
    assert (ids(), ids(is_deployed=True)) == ([], ["hark.W004"])

    settings.HARK_TRUSTED_PROXIES = ["10.0.0.1"]
    assert ids(is_deployed=True) == []


def test_limits_that_are_off_need_no_proxys_name(settings: Settings) -> None:
    settings.HTTPS_ONLY, settings.HARK_MAX_SOCKETS_PER_ADDRESS, settings.HARK_MAX_HANDSHAKES_PER_MIN = True, 0, 0

    assert ids(is_deployed=True) == []
