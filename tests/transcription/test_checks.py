"""System checks: contradicting settings are named before anybody connects."""

import pytest
from django.core.checks import run_checks
from pytest_django import Settings

from transcription.checks import inference_address_problem


def ids() -> list[str]:
    return [str(message.id) for message in run_checks() if str(message.id).startswith("hark.")]


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
