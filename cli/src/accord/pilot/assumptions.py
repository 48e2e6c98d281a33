"""What is assumed where nothing was published: every number of the replay that is ours.

Levels of risk are not among it: the services weigh the invented answers by each
locality's own policy. But how often each question is answered with a yes is assumed, so
that what they find can be compared with what was published.
"""

from collections.abc import Mapping
from datetime import timedelta
from random import Random

from accord_contracts.allocation import Role
from accord_contracts.plans import OutcomeKind
from accord_contracts.referrals import IncidentKind
from accord_contracts.risk import RiskLevel

REPEATS = 0.12
"""Share of cases that are of a household met before. 39 % of people had more than one
episode by September 2018; at the same pace it would be about 11 % of them, and 12 % of
cases, after the seven months of Christchurch.

Risk adds up what is known of a household, so the share at high risk rests on this too:
by the policies it would be 5 to 6 % without repeats, and 13 to 15 % if 30 % were."""

REPEAT_AFTER = timedelta(days=4)
"""A household is not referred again before its last plan is agreed, so that every case
has a plan of its own to be counted."""

CHILDREN = (0.32, 0.25, 0.25, 0.12, 0.06)
"""How many households have 0, 1, 2, 3, 4 children, beside the person harmed and the
person using violence: 3.35 people, who make about 3 for each plan after repeats."""

CHILDREN_PRESENT = 0.6
"""How often children saw it, where there are any."""

YES: Mapping[str, float] = {
    "strangulation": 0.001,
    "weapon_used_or_threatened": 0.002,
    "threat_to_kill": 0.002,
    "fear_of_being_killed": 0.004,
    "sexual_violence": 0.005,
    "stalking": 0.02,
    "coercive_control": 0.04,
    "escalation": 0.03,
    "recent_separation": 0.10,
    "pregnancy": 0.03,
    "breach_of_order": 0.04,
    "prior_violence": 0.25,
    "substance_use": 0.30,
    "financial_stress": 0.12,
}
"""How often a question is answered with yes whatever has happened; others never."""

YES_AFTER: Mapping[IncidentKind, Mapping[str, float]] = {
    IncidentKind.PHYSICAL_HARM: {
        "strangulation": 0.045,
        "weapon_used_or_threatened": 0.03,
        "threat_to_kill": 0.02,
        "fear_of_being_killed": 0.03,
        "escalation": 0.08,
        "prior_violence": 0.35,
        "injury": 0.35,
    },
    IncidentKind.THREATS_OF_HARM: {
        "weapon_used_or_threatened": 0.04,
        "threat_to_kill": 0.07,
        "fear_of_being_killed": 0.05,
        "stalking": 0.05,
        "coercive_control": 0.08,
        "escalation": 0.08,
        "prior_violence": 0.35,
    },
    IncidentKind.PROPERTY_DAMAGE: {
        "weapon_used_or_threatened": 0.01,
        "fear_of_being_killed": 0.02,
        "escalation": 0.08,
        "breach_of_order": 0.08,
    },
    IncidentKind.VERBAL_ABUSE: {},
}
"""How often instead, after a kind of incident."""

UNKNOWN, NOT_ASKED = 0.15, 0.08
"""How often a question that has no yes has no answer either; else it has a no."""

REVIEWED, REVIEWED_BY = "no", "remote"
"""What is answered to each question in a review, and how she is spoken to for it: it
adds nothing that was not feared before, and what was answered yes stays."""

SHOWN = {"evidence": {"kind": "contact_record"}}
"""What shows that something was done."""

OUTCOMES = [
    {"kind": each.value, "state": "not_known", "source": "not_reached"}
    for each in OutcomeKind
]
"""Nobody is asked in a replay what came of it."""

SLOT = timedelta(hours=12)
"""The Police report twice a day, and twice a day everybody does what is due."""

MARK = timedelta(minutes=9)
"""Between two looks at the telephone: fits into every policy's time to answer."""

ANSWERS_AFTER: Mapping[RiskLevel, tuple[int, ...]] = {
    RiskLevel.LOW: (2, 5),
    RiskLevel.MEDIUM: (2, 5),
    RiskLevel.HIGH: (1, 1, 2),
    RiskLevel.EXTREME: (1,),
}
"""After how many marks a worker answers an offer: one of these, evenly."""

DECLINES, SILENT = 0.06, 0.03
"""How often a worker declines an offer, and how often they let its time pass."""

AGREED_AFTER: Mapping[RiskLevel, tuple[int, ...]] = {
    RiskLevel.LOW: (1, 1, 1, 2, 2, 4),
    RiskLevel.MEDIUM: (1, 1, 1, 2, 2, 3),
    RiskLevel.HIGH: (1, 1, 2),
    RiskLevel.EXTREME: (0,),
}
"""After how many slots a plan is agreed: one of these, evenly. At extreme risk within
the hour."""

KEPT_LATE = 0.05
"""How often a mandatory action is done one to three days after its time."""

COMPLEMENTARY = 0.7
"""How often a complementary action is done at all."""

READS = 0.9
"""How often a message that must be acknowledged is, at the next mark. If it is not, it
goes up the locality's chain."""

CLOSED_AFTER: Mapping[RiskLevel, timedelta] = {
    RiskLevel.LOW: timedelta(weeks=3),
    RiskLevel.MEDIUM: timedelta(weeks=5),
    RiskLevel.HIGH: timedelta(weeks=10),
    RiskLevel.EXTREME: timedelta(weeks=12),
}
"""How long after its last plan was agreed the response to a household ends, which gives
its workers back to others."""

CLOSED_FOR = "moved_to_another_region"
"""Why it ends: a reason for which the replay, and no locality, asks for no proof. The
pilot handed households on after weeks; Accord's proof would keep those whose risk was
high for half a year."""

CLOSED_LATER = timedelta(weeks=1)
"""When it is tried again, while something mandatory is open."""

CAPACITY = 100
"""Points a worker can carry: the policies' full-time specialist (25 cases at high)."""

STAFF: Mapping[str, Mapping[Role, int]] = {
    "canterbury": {
        Role.INDEPENDENT_VICTIM_SPECIALIST: 9,
        Role.PERPETRATOR_OUTREACH: 9,
        Role.WHANAU_SUPPORT_WORKER: 12,
        Role.LEAD_AGENCY_COORDINATOR: 16,
    },
    "waikato": {
        Role.INDEPENDENT_VICTIM_SPECIALIST: 11,
        Role.PERPETRATOR_OUTREACH: 11,
        Role.WHANAU_SUPPORT_WORKER: 24,
        Role.LEAD_AGENCY_COORDINATOR: 22,
        Role.CHILD_SPECIALIST: 3,
    },
}
"""Workers of each role: what the cases at one time need by the policies' points, and a
fifth more. All but the leads work for NGOs; the pilot paid for 60 to 70 of those."""

MANAGERS = 3
"""Who carry no case at each site: the coordinator on duty, and two who lead teams."""

KAUPAPA_MAORI = {"canterbury": 0.33, "waikato": 0.73}
"""Share of workers who are of a kaupapa Māori service, and of those harmed who wish for
one: the published shares of bought services."""


def lot(*key: object) -> Random:
    """Draw lots for one thing: the same ones however often, and in whatever order."""
    return Random("/".join(map(str, key)))  # noqa: S311 - A world, no secret.
