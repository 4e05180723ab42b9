"""Where each rule stands, in the database: so that alerts go on after a restart as if nothing had been."""

from dataclasses import fields

from transcription.alerts.states import Standing, State
from transcription.models import AlertRule, AlertStanding

NAMES = tuple(field.name for field in fields(Standing))


def make_standings() -> None:
    """For rules that are new."""
    new = AlertRule.objects.filter(standing=None)
    AlertStanding.objects.bulk_create([AlertStanding(rule=rule) for rule in new], ignore_conflicts=True)


def standing_to_ourselves(rule: AlertRule, *, waits: bool = False) -> AlertStanding | None:
    """The row, locked until the transaction ends; None where there is none, or, unless it `waits`, somebody else has it."""
    rows = AlertStanding.objects.select_for_update(skip_locked=not waits, of=("self",))
    return rows.select_related("rule").filter(rule=rule).first()


def standing_of(row: AlertStanding) -> Standing:
    known = {name: getattr(row, name) for name in NAMES}
    return Standing(**known | {"state": State(row.state)})


def keep(row: AlertStanding, standing: Standing, value: float | None) -> None:
    for name in NAMES:
        setattr(row, name, getattr(standing, name))
    row.value = value
    row.save()
