"""What people are told of: rules about metrics and where each stands, what happened, and the notices that say so.

`evaluation` looks at the rules, `incidents` at what is no value; `events` writes what happened, `notices` bring it to people.
"""

from transcription.alerts.evaluation import evaluate
from transcription.alerts.events import acknowledge, forget_old, resolve
from transcription.alerts.incidents import report_incident, settle_incident
from transcription.alerts.notices.delivery import deliver_notices, hand_over_due

__all__ = [
    "acknowledge",
    "deliver_notices",
    "evaluate",
    "forget_old",
    "hand_over_due",
    "report_incident",
    "resolve",
    "settle_incident",
]
