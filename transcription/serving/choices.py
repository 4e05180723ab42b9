"""Which model a route is to have: its schedule and overrides as a `Plan`, what a change by hand means, and the lighter model.

Every function that writes is one transaction. How a model takes a route is in `transcription.swaps`, when in
`transcription.swaps.scheduling`.
"""

from datetime import datetime

from django.contrib.auth.models import User
from django.db import transaction
from django.utils import timezone

from transcription.models import ASRModel, ModelRoute, ModelSchedule, ModelSwap, RouteOverride
from transcription.schedules import Because, Plan, Window, Wish, due_at, next_change

BY_HAND = frozenset({ModelSwap.Reason.MANUAL, ModelSwap.Reason.ROLLBACK})


def plan_of(route: ModelRoute, moment: datetime) -> Plan:
    """What decides over `route` from `moment` on. Reads its schedules and overrides, from what was prefetched if they were."""
    windows = tuple(window_of(row) for row in route.schedules.all() if row.is_enabled)
    wishes = tuple(wish_of(row) for row in route.overrides.all() if row.until_at is None or row.until_at > moment)
    return Plan((route.usual_model or route.model).name, windows, wishes)


def window_of(row: ModelSchedule) -> Window:
    return Window(
        key=row.pk or 0,
        model=row.model.name,
        days=frozenset(row.days),
        starts=row.starts,
        ends=row.ends,
        time_zone=row.time_zone,
        priority=row.priority,
    )


def wish_of(row: RouteOverride) -> Wish:
    return Wish(row.pk, row.model.name, row.from_at, row.until_at)


def settle_choice(route: ModelRoute, swap: ModelSwap, moment: datetime | None = None) -> None:
    """Called in the transaction that has given `route` a model by `swap`: what was chosen by hand stays until the plan has
    something else to say, as an override where a window or another override holds now, else as the usual model.
    """
    if swap.reason not in BY_HAND:
        return
    moment = moment or timezone.now()
    plan = plan_of(route, moment)
    due = due_at(plan, moment)
    if due.because is Because.USUAL:
        route.usual_model = route.model
        route.save(update_fields=["usual_model"])
    elif due.model != route.model.name:
        change = next_change(plan, moment)
        override_route(route, route.model, moment, change.from_at if change else None, by=swap.by, reason=swap.note)


def override_route(
    route: ModelRoute,
    model: ASRModel,
    from_at: datetime,
    until_at: datetime | None,
    *,
    by: User | None = None,
    reason: str = "",
) -> RouteOverride:
    """Write a wish down, instead of those that hold at its beginning."""
    with transaction.atomic():
        remember_usual(route)
        end_overrides(route, from_at)
        return RouteOverride.objects.create(
            route=route, model=model, from_at=from_at, until_at=until_at, by=by, reason=reason[:200]
        )


def end_overrides(route: ModelRoute, moment: datetime) -> int:
    """Take back what holds at `moment`; those to come stay. Returns how many there were."""
    holding = [row for row in route.overrides.filter(from_at__lte=moment) if row.until_at is None or row.until_at > moment]
    for row in holding:
        if row.from_at < moment:
            row.until_at = moment
            row.save(update_fields=["until_at"])
        else:
            row.delete()
    return len(holding)


def remember_usual(route: ModelRoute) -> None:
    """Before anything but a hand changes the model of a route: what it returns to."""
    if route.usual_model is None:
        route.usual_model = route.model
        route.save(update_fields=["usual_model"])


def fall_back(route_id: int, note: str) -> bool:
    """Let the lighter model serve. False: another web process was quicker, or there is none."""
    return _turn(route_id, note, is_on=True)


def come_back(route_id: int, note: str) -> bool:
    """Let the route's own model serve again. False: another web process was quicker."""
    return _turn(route_id, note, is_on=False)


@transaction.atomic
def _turn(route_id: int, note: str, *, is_on: bool) -> bool:
    now = timezone.now()
    changed = ModelRoute.objects.filter(pk=route_id, fallback__isnull=False, fallback_since__isnull=is_on)
    if not changed.update(fallback_since=now if is_on else None):
        return False
    route = ModelRoute.objects.select_related("model", "fallback").get(pk=route_id)
    assert route.fallback is not None
    old, new = (route.model, route.fallback) if is_on else (route.fallback, route.model)
    ModelSwap.objects.create(
        route=route,
        route_name=str(route),
        from_model=old,
        from_name=old.name,
        to_model=new,
        to_name=new.name,
        reason=ModelSwap.Reason.FALLBACK if is_on else ModelSwap.Reason.RESTORE,
        note=note,
        state=ModelSwap.State.DONE,
        started_at=now,
        finished_at=now,
        duration_ms=0,
    )
    return True
