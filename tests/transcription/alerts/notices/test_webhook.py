"""A webhook's request: what is in it, how a receiver knows that it is ours, and which answers and addresses are refused."""

import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID

import pytest

from tests.transcription.alerts.notices.receiver import DRIPS, Receiver, listening
from transcription.alerts.notices import webhook
from transcription.alerts.notices.errors import NotDelivered
from transcription.alerts.notices.payloads import trial_payload
from transcription.models import AlertChannel

DELIVERY = UUID("0193a1b2-0000-7000-8000-000000000001")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


def send(url: str) -> None:
    channel = AlertChannel(name="hook", kind="webhook", target=url, secret="of ours")
    webhook.send(channel, DELIVERY, trial_payload(datetime(2026, 11, 23, tzinfo=UTC), channel))


def test_a_receiver_that_knows_the_secret_can_tell_who_sent_it_when(receiver: Receiver) -> None:
    send(receiver.url)

    headers, body = receiver.headers[0], receiver.bodies[0]
    signed = f"{headers['X-Hark-Timestamp']}.".encode() + body
    assert headers["X-Hark-Signature"] == "v1=" + hmac.new(b"of ours", signed, hashlib.sha256).hexdigest()
    assert headers["X-Hark-Delivery"] == str(DELIVERY)
    assert json.loads(body)["type"] == "alert.test"
    assert receiver.paths == ["/alerts?team=speech"]


@pytest.mark.parametrize(
    ("status", "is_final"), [(500, False), (503, False), (429, False), (408, False), (400, True), (404, True), (410, True)]
)
def test_an_answer_that_is_no_yes_is_no_delivery(receiver: Receiver, status: int, is_final: bool) -> None:
    receiver.statuses = [status]

    with pytest.raises(NotDelivered, match=f"Answered {status}") as caught:
        send(receiver.url)

    assert caught.value.is_final == is_final


def test_redirects_are_not_followed(receiver: Receiver) -> None:
    receiver.statuses, receiver.location = [307], receiver.url

    with pytest.raises(NotDelivered, match="redirects are not followed"):
        send(receiver.url)

    assert len(receiver.bodies) == 1


@pytest.mark.parametrize("status", [0, DRIPS])
def test_a_receiver_that_does_not_come_to_an_end_is_given_up(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    monkeypatch.setattr(webhook, "DEADLINE_S", 0.1)
    receiver.statuses = [status]

    with pytest.raises(NotDelivered, match="No answer within"):
        send(receiver.url)


def test_a_receiver_that_is_not_there_is_an_error_that_may_pass() -> None:
    with listening() as gone:
        url = gone.url

    with pytest.raises(NotDelivered, match="cannot be reached") as caught:
        send(url)

    assert not caught.value.is_final


@pytest.mark.parametrize("peer", ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1%eth0", "224.0.0.1", "0.0.0.0", "::"])
def test_nothing_is_sent_to_addresses_where_no_receiver_can_be(peer: str) -> None:
    with pytest.raises(NotDelivered, match="nothing is sent"):
        webhook.refuse_forbidden(peer)


def test_the_address_is_judged_before_anything_is_sent(receiver: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_peer: str) -> None:
        raise NotDelivered("no", is_final=True)

    monkeypatch.setattr(webhook, "refuse_forbidden", refuse)

    with pytest.raises(NotDelivered):
        send(receiver.url)

    assert receiver.bodies == []


@pytest.mark.parametrize("peer", ["127.0.0.1", "10.1.2.3", "192.0.2.1", "2001:db8::1"])
def test_receivers_in_ones_own_network_are_allowed(peer: str) -> None:
    webhook.refuse_forbidden(peer)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://example.org/",
        "file:///etc/passwd",
        "gopher://example.org",
        "https://",
        "https://example.org:99999/",
        "https://example.org/a b",
        "http://user:secret@example.org/",
        "https://example.org/\r\nHost: other",
    ],
)
def test_what_is_no_address_of_a_receiver_is_refused(url: str) -> None:
    assert webhook.url_problem(url)
    with pytest.raises(NotDelivered) as caught:
        send(url)
    assert caught.value.is_final


@pytest.mark.parametrize("url", ["https://example.org", "http://10.0.0.1:8080/alerts?x=1", "https://[2001:db8::1]/"])
def test_an_address_of_a_receiver_is_taken(url: str) -> None:
    assert webhook.url_problem(url) == ""
