"""Notices on their way: in order, tried again later and later, given up in the end, and never by two at once."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.core import mail
from django.utils import timezone
from kombu.exceptions import OperationalError

from tests.transcription.alerts.notices.receiver import Receiver, listening
from transcription.alerts import deliver_notices, hand_over_due, report_incident, settle_incident
from transcription.alerts.notices import delivery
from transcription.alerts.notices.delivery import BACK_OFF, MAX_IN_A_ROW, try_again, try_channel
from transcription.models import AlertChannel, AlertDelivery

pytestmark = pytest.mark.django_db
State = AlertDelivery.State
Clock = Callable[[timedelta], None]


@pytest.fixture(autouse=True)
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Numbers of the channels that were handed to Celery."""
    handed: list[int] = []
    monkeypatch.setattr(
        "transcription.alerts.notices.delivery.current_app.send_task", lambda _name, args, **_options: handed.append(args[0])
    )
    return handed


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with listening() as receiver:
        yield receiver


@pytest.fixture
def hook(receiver: Receiver) -> AlertChannel:
    return AlertChannel.objects.create(name="hook", kind="webhook", target=receiver.url)


@pytest.fixture
def wait(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """Let it be later for everybody."""
    clock = {"now": timezone.now()}
    monkeypatch.setattr("django.utils.timezone.now", lambda: clock["now"])

    def later(by: timedelta) -> None:
        clock["now"] += by

    return later


def incident(number: int = 1) -> None:
    report_incident(f"test/{number}", "Failure", names={}, detail="It broke.")


def states() -> list[str]:
    return list(AlertDelivery.objects.order_by("pk").values_list("state", flat=True))


def test_notices_go_out_in_their_order(hook: AlertChannel, receiver: Receiver, sent: list[int]) -> None:
    incident()
    settle_incident("test/1")
    hand_over_due()
    assert sent == [hook.pk]

    deliver_notices(hook.pk)

    assert [b"alert.firing" in body for body in receiver.bodies] == [True, False]
    assert states() == ["delivered", "delivered"]
    hand_over_due()
    assert sent == [hook.pk]


def test_what_is_not_taken_is_tried_later_and_later_and_then_given_up(
    hook: AlertChannel, receiver: Receiver, wait: Clock, sent: list[int]
) -> None:
    incident()
    receiver.statuses = [500] * 20
    for pause in BACK_OFF:
        deliver_notices(hook.pk)
        wait(pause - timedelta(seconds=1))
        deliver_notices(hook.pk)
        wait(timedelta(seconds=1))
    assert (len(receiver.bodies), states()) == (len(BACK_OFF), ["waiting"])

    deliver_notices(hook.pk)

    assert states() == ["failed"]
    given_up = AlertDelivery.objects.get()
    assert (given_up.error, given_up.num_attempts) == ("Answered 500.", len(BACK_OFF) + 1)
    assert len(set(receiver.bodies)) == 1
    assert len({headers["X-Hark-Delivery"] for headers in receiver.headers}) == 1


def test_while_a_channel_takes_nothing_the_later_notices_wait(hook: AlertChannel, receiver: Receiver, wait: Clock) -> None:
    incident(1)
    incident(2)
    receiver.statuses = [503]
    deliver_notices(hook.pk)
    assert (len(receiver.bodies), states()) == (1, ["waiting", "waiting"])

    wait(BACK_OFF[0])
    deliver_notices(hook.pk)

    assert states() == ["delivered", "delivered"]


def test_what_can_never_arrive_is_given_up_at_once_and_holds_nobody_up(hook: AlertChannel, receiver: Receiver) -> None:
    incident(1)
    incident(2)
    receiver.statuses = [404]

    deliver_notices(hook.pk)

    assert states() == ["failed", "delivered"]


def test_two_workers_do_not_send_the_same_notice(
    hook: AlertChannel, receiver: Receiver, monkeypatch: pytest.MonkeyPatch, wait: Clock
) -> None:
    """The second one comes while the first is at it; the third after the first has died."""
    incident()
    send = delivery.send

    def sent_while_another_comes(given: AlertDelivery) -> None:
        deliver_notices(hook.pk)
        send(given)

    monkeypatch.setattr(delivery, "send", sent_while_another_comes)
    deliver_notices(hook.pk)
    assert len(receiver.bodies) == 1

    AlertDelivery.objects.update(state=State.WAITING, next_at=timezone.now() + delivery.CLAIM)
    wait(delivery.CLAIM)
    deliver_notices(hook.pk)
    assert len(receiver.bodies) == 2


def test_a_channel_that_is_off_gets_nothing(hook: AlertChannel, receiver: Receiver) -> None:
    incident()
    AlertChannel.objects.update(is_enabled=False)

    deliver_notices(hook.pk)

    assert (receiver.bodies, states()) == ([], ["failed"])


def test_a_task_sends_no_more_than_so_many(hook: AlertChannel, receiver: Receiver) -> None:
    for number in range(MAX_IN_A_ROW + 1):
        incident(number)

    deliver_notices(hook.pk)

    assert states().count("waiting") == 1


def test_an_operator_tries_a_channel_and_sends_again_what_was_given_up(
    hook: AlertChannel, receiver: Receiver, sent: list[int]
) -> None:
    receiver.statuses = [410]
    given_up = try_channel(hook)
    deliver_notices(hook.pk)
    given_up.refresh_from_db()

    try_again(given_up)
    deliver_notices(hook.pk)

    assert sent == [hook.pk] * 2
    assert states() == ["delivered"]


def test_where_valkey_is_away_notices_wait(hook: AlertChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_given: Any, **_options: Any) -> None:
        raise OperationalError

    monkeypatch.setattr("transcription.alerts.notices.delivery.current_app.send_task", away)
    incident()

    hand_over_due()

    assert states() == ["waiting"]


# --- E-mail


@pytest.fixture
def letters(settings: Any) -> AlertChannel:
    settings.EMAIL_HOST, settings.HARK_SITE_URL = "mail.example.org", "https://hark.example.org"
    return AlertChannel.objects.create(name="letters", target="a@example.org, b@example.org")


def test_an_email_says_what_happened_and_where_to_look(letters: AlertChannel) -> None:
    report_incident("x", "The swap of %(route)s to %(model)s failed", names={"route": "r\nBcc: x@y", "model": "m"}, detail="No.")

    deliver_notices(letters.pk)

    (message,) = mail.outbox
    assert message.to == ["a@example.org", "b@example.org"]
    assert message.subject == "[Hark] warning: The swap of r Bcc: x@y to m failed"
    assert "No.\n" in message.body
    assert "https://hark.example.org/admin/transcription/alertevent/" in message.body


def test_an_email_is_in_the_language_of_its_channel(letters: AlertChannel) -> None:
    AlertChannel.objects.update(language="zh-hans")
    incident()

    deliver_notices(letters.pk)

    assert mail.outbox[0].subject.startswith("[Hark] 警告")
    assert "开始" in mail.outbox[0].body


def test_without_a_mail_server_an_email_says_which_setting_is_missing(letters: AlertChannel, settings: Any) -> None:
    settings.EMAIL_HOST = ""
    incident()

    deliver_notices(letters.pk)

    assert "EMAIL_HOST is not set" in AlertDelivery.objects.get().error


def test_a_mail_server_that_is_away_is_tried_again(letters: AlertChannel, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(_message: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.EmailMessage.send", away)
    incident()

    deliver_notices(letters.pk)

    waiting = AlertDelivery.objects.get()
    assert (waiting.state, waiting.error) == (State.WAITING, "The mail server cannot be reached (ConnectionRefusedError).")
