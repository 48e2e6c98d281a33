"""What was published of the pilot: nothing in here is an assumption.

All of it is in the ministers' release of 28 March 2017 (beehive.govt.nz, "Family
violence pilot helps over 24,000 people"), but the day on which Waikato began (their
release of 25 October 2016) and the share of people with more than one episode (the
Police newsletter of September 2018).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone

from accord_contracts.referrals import IncidentKind

NEW_ZEALAND = timezone(timedelta(hours=12), "NZST")
"""Standard time all year: nothing here depends on the hour of summer."""

ENDS = datetime(2017, 2, 1, tzinfo=NEW_ZEALAND)
"""'Between July and the start of February'."""

PLANS = 8_000
"""'More than' so many family safety plans."""

PEOPLE = 24_000
"""'Over' so many people."""

HIGH_RISK = (0.07, 0.11)
"""'Between' these shares of cases, each with both specialists."""

PEOPLE_WITH_MORE_EPISODES = 0.39
"""By September 2018: the nearest published figure about repeats."""


@dataclass(frozen=True, slots=True, eq=False)
class Site:
    """One site of the pilot.

    Attributes:
        name: As the release has it.
        locality: Whose policies hold there.
        starts: When its first case was reported.
        cases_a_month: Cases reported a month.
        mix: How often each kind of incident was reported, in per cent.
    """

    name: str
    locality: str
    starts: datetime
    cases_a_month: int
    mix: Mapping[IncidentKind, float]


CHRISTCHURCH = Site(
    name="Christchurch",
    locality="canterbury",
    starts=datetime(2016, 7, 4, tzinfo=NEW_ZEALAND),
    cases_a_month=776,
    mix={
        IncidentKind.PHYSICAL_HARM: 19.2,
        IncidentKind.PROPERTY_DAMAGE: 11.8,
        IncidentKind.THREATS_OF_HARM: 12.6,
        IncidentKind.VERBAL_ABUSE: 56.4,
    },
)
WAIKATO = Site(
    name="Waikato",
    locality="waikato",
    starts=datetime(2016, 10, 25, tzinfo=NEW_ZEALAND),
    cases_a_month=951,
    mix={
        IncidentKind.PHYSICAL_HARM: 17.0,
        IncidentKind.PROPERTY_DAMAGE: 8.4,
        IncidentKind.THREATS_OF_HARM: 10.0,
        IncidentKind.VERBAL_ABUSE: 64.5,
    },
)
SITES = (CHRISTCHURCH, WAIKATO)
