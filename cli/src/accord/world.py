"""The invented world of a demonstration: agencies, staff, households, referrals.

Nobody in it exists. Every National Health Index number begins with Z, which is kept for
tests, every telephone number and address is of a kind that is given to nobody, and the
same seed makes the same world.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from random import Random
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import yaml
from accord_contracts.allocation import Role
from accord_contracts.referrals import AgencyKind, IncidentKind
from referrals.domain import nhi

WORLD = uuid5(NAMESPACE_URL, "urn:accord:invented")

PLACES = {
    "canterbury": ("aranui", "linwood", "hornby", "papanui", "sydenham", "rangiora"),
    "waikato": ("dinsdale", "fairfield", "hillcrest", "enderley", "ngaruawahia"),
}
"""Areas of the localities that we have, as codes; another locality has none."""

LANGUAGES = ("mi", "sm", "to", "zh", "hi", "tl")

GIVEN = ("Aroha", "Mere", "Sina", "Anna", "Grace", "Lily", "Priya", "Mele", "Ruby",
         "Hana", "Wiremu", "Tama", "Sione", "James", "Liam", "Arjun", "Noah", "Daniel",
         "Kauri", "Manaia", "Kiri", "Ella", "Oscar", "Hemi")  # fmt: skip
FAMILY = ("Inventedson", "Makebelieve", "Fictionby", "Notreal", "Examplar", "Madeup",
          "Pretendham", "Sampleworth", "Testington", "Specimen", "Imagini")  # fmt: skip

MIX = {
    IncidentKind.VERBAL_ABUSE: 38,
    IncidentKind.THREATS_OF_HARM: 22,
    IncidentKind.PHYSICAL_HARM: 27,
    IncidentKind.PROPERTY_DAMAGE: 13,
    IncidentKind.COERCIVE_CONTROL: 15,
    IncidentKind.BREACH_OF_ORDER: 9,
    IncidentKind.STALKING: 5,
    IncidentKind.SEXUAL_VIOLENCE: 4,
    IncidentKind.STRANGULATION: 4,
}
"""How often each kind of incident is in an invented referral: made up, not measured."""

GRAVE = ("strangulation", "weapon_used_or_threatened", "threat_to_kill",
         "fear_of_being_killed", "escalation")  # fmt: skip
"""Questions whose yes makes a referral grave, where the locality asks them."""


STAFF = {
    Role.INDEPENDENT_VICTIM_SPECIALIST: 6,
    Role.PERPETRATOR_OUTREACH: 6,
    Role.KAUPAPA_MAORI_PRACTITIONER: 3,
    Role.CHILD_SPECIALIST: 3,
    Role.WHANAU_SUPPORT_WORKER: 4,
    Role.LEAD_AGENCY_COORDINATOR: 3,
}

ROTA_BEGAN = datetime(2026, 1, 4, 20, tzinfo=UTC)
"""A Monday, nine in the morning in New Zealand."""

CAPACITY = 1000
"""Points of work an invented worker can carry: a day of the stream of referrals."""


@dataclass(frozen=True, slots=True)
class Agency:
    """An agency that refers."""

    code: str
    kind: AgencyKind

    @property
    def claims(self) -> dict[str, str]:
        """What its tokens say of it: all else stands in the register."""
        return {"agency": self.code}

    @property
    def entry(self) -> dict[str, Any]:
        """What the register is told of it."""
        return {
            "kind": self.kind.value,
            "registered_as": "family_violence_agency",
        }


AGENCIES = (
    Agency("police", AgencyKind.POLICE),
    Agency("hospital", AgencyKind.HEALTH),
    Agency("corrections", AgencyKind.CORRECTIONS),
    Agency("refuge", AgencyKind.NGO),
    Agency("kura", AgencyKind.EDUCATION),
)


@dataclass(frozen=True, slots=True)
class Worker:
    """A member of the invented staff, as the directory is told of them."""

    id: str
    roles: tuple[Role, ...]
    entry: dict[str, Any]


class World:
    """An invented region.

    Args:
        locality: Directory of its policies: its name gives its places, its
            ``referrals.yaml`` the questions that are asked.
        seed: The same seed makes the same world.
        name: Of the region, where the directory is called otherwise.
    """

    def __init__(self, locality: Path, seed: int = 1, *, name: str = "") -> None:
        self.name = name or locality.name
        self.places = PLACES.get(self.name, ())
        self.seed = seed
        self._locality = locality
        self._random = Random(f"{self.name} {seed}")  # noqa: S311 - A world, no secret.

    @cached_property
    def questions(self) -> tuple[str, ...]:
        """The questions that the locality has its agencies ask."""
        told = yaml.safe_load((self._locality / "referrals.yaml").read_bytes())
        return tuple(told["questions"])

    def rotas(self) -> dict[str, dict[str, Any]]:
        """Give the rotas by their id: the coordinators, a week each, and for ever."""
        role = Role.LEAD_AGENCY_COORDINATOR
        turns = [self._worker_id(role, number) for number in range(STAFF[role])]
        told = {
            "rota": "coordinators",
            "turns": turns,
            "starts_at": ROTA_BEGAN.isoformat(),
        }
        return {str(uuid5(WORLD, f"{self.name}/rota")): told}

    def staff(self) -> list[Worker]:
        """Give the workers: the same ones whatever the seed."""
        random = Random(self.name)  # noqa: S311 - As above.
        coordinator = self._worker_id(Role.LEAD_AGENCY_COORDINATOR, 0)
        return [
            self._worker(random, role, number, coordinator)
            for role, count in STAFF.items()
            for number in range(count)
        ]

    def _worker_id(self, role: Role, number: int) -> str:
        return str(uuid5(WORLD, f"{self.name}/{role}/{number}"))

    def _worker(
        self, random: Random, role: Role, number: int, coordinator: str
    ) -> Worker:
        identity = self._worker_id(role, number)
        deputy = self._worker_id(role, (number + 1) % STAFF[role])
        entry: dict[str, Any] = {
            "roles": [role.value],
            "gender": random.choice(("woman", "woman", "man", "another")),
            "languages": ["en", *random.sample(LANGUAGES, k=random.randint(0, 2))],
            "kaupapa_maori": role is Role.KAUPAPA_MAORI_PRACTITIONER,
            "areas": [],
            "capacity": CAPACITY,
            "email": f"{role.value}.{number + 1}@{self.name}.accord.example",
            "deputy": deputy,
            "team_lead": self._worker_id(role, 0) if number else coordinator,
            "duty_coordinator": identity == coordinator,
            "active": True,
        }
        return Worker(identity, (role,), entry)

    def grave_referral(self, reference: str, at: datetime) -> dict[str, Any]:
        """Make a referral that any locality must hold to be of high risk."""
        told = self.referral(reference, at)
        told["incidents"] = [
            IncidentKind.STRANGULATION.value,
            IncidentKind.THREATS_OF_HARM.value,
        ]
        told["answers"].update(
            {each: "yes" for each in GRAVE if each in self.questions}
        )
        return told

    def referrals(self, prefix: str, at: datetime) -> Iterator[dict[str, Any]]:
        """Make one referral after another, each with a reference of its own."""
        number = 0
        while True:
            number += 1
            yield self.referral(f"{prefix}-{number}", at)

    def referral(self, reference: str, at: datetime) -> dict[str, Any]:
        """Make a referral, as an agency would post it."""
        random = self._random
        family = random.choice(FAMILY)
        kinds = random.choices(list(MIX), weights=list(MIX.values()), k=2)
        occurred = at - timedelta(minutes=random.randint(10, 60 * 36))
        people = [
            self._person(family, "person_harmed", (18, 60)),
            self._person(random.choice(FAMILY), "person_using_violence", (18, 65)),
            *(
                self._person(family, "child", (0, 17))
                for _ in range(random.choice((0, 0, 1, 1, 2, 3)))
            ),
        ]
        return {
            "reference": reference,
            "people": people,
            "incidents": sorted({each.value for each in kinds}),
            "occurred_at": occurred.isoformat(timespec="seconds"),
            "sharing": {"purpose": "fva20_a", "consulted": True},
            "place": {"area": random.choice(self.places)} if self.places else {},
            "narrative": "Invented for a demonstration: nobody said or did this.",
            "answers": self._answers(),
            "wishes": self._wishes(),
        }

    def _answers(self) -> dict[str, str]:
        random = self._random
        given = random.choices(
            ("yes", "no", "unknown", "not_asked"),
            weights=(16, 54, 20, 10),
            k=len(self.questions),
        )
        return dict(zip(self.questions, given, strict=True))

    def _wishes(self) -> dict[str, Any]:
        random = self._random
        return {
            "gender": random.choice(("woman", "no_wish", "no_wish", "no_wish")),
            "languages": ["en"],
            "kaupapa_maori": random.random() < 0.3,  # noqa: PLR2004 - Made up.
        }

    def _person(self, family: str, role: str, ages: tuple[int, int]) -> dict[str, Any]:
        random = self._random
        age_days = random.randint(ages[0] * 365 + 30, ages[1] * 365)
        born = date(2026, 7, 1) - timedelta(days=age_days)
        person: dict[str, Any] = {
            "role": role,
            "given_name": random.choice(GIVEN),
            "family_name": family,
            "date_of_birth": born.isoformat(),
            "identifiers": [{"system": "nhi", "value": invented_nhi(random)}],
        }
        if role == "person_harmed":
            person["contact_points"] = [
                {"channel": "phone", "value": invented_phone(random), "safety": "safe",
                 "hours": "weekdays before noon"}
            ]  # fmt: skip
        return person


def invented_phone(random: Random) -> str:
    """Make a number in the form of a New Zealand mobile's, a 0 after its prefix."""
    return f"+64 20 0{random.randint(0, 999):03} {random.randint(0, 9999):04}"


def invented_nhi(random: Random) -> str:
    """Make a National Health Index number that is kept for tests, with its check digit.

    The form is HISO 10046's old one: three letters, three digits, a check digit.
    """
    while True:
        start = (
            f"Z{''.join(random.choices(nhi.LETTERS, k=2))}{random.randint(1, 999):03}"
        )
        if last := nhi.check(start):
            return f"{start}{last}"
