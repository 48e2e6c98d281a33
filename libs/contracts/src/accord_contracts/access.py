"""How a worker stands to a case, and what access is for.

Who works on a case, and who may not, is the allocation service's. Every other service
asks it how a worker stands to a case (``POST /v1/standings``) before it shows or
changes anything of the case.
"""

import json
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated
from uuid import NAMESPACE_URL, uuid5

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from accord_contracts.allocation import Role
from accord_contracts.message import Code, Id
from accord_contracts.problem import Refusal


class Purpose(StrEnum):
    """What something is looked at, told or changed for.

    The three purposes of the Family Violence Act 2018, s 20: to assess risk or need, to
    make or carry out a plan, to help ensure that a victim is protected. Another ground:
    Privacy Act 2020, information privacy principle 11. Or running the service itself,
    which shows nothing of any case.
    """

    ASSESSMENT = "fva20_a"
    PLAN = "fva20_b"
    PROTECTION = "fva20_c"
    OTHER_GROUND = "ipp11"
    OPERATION = "operation"


class Side(StrEnum):
    """Whom a role serves in a case."""

    PERSON_HARMED = "person_harmed"
    PERSON_USING_VIOLENCE = "person_using_violence"
    WHOLE_CASE = "whole_case"


SIDES = {
    Role.INDEPENDENT_VICTIM_SPECIALIST: Side.PERSON_HARMED,
    Role.CHILD_SPECIALIST: Side.PERSON_HARMED,
    Role.WHANAU_SUPPORT_WORKER: Side.PERSON_HARMED,
    Role.KAUPAPA_MAORI_PRACTITIONER: Side.PERSON_HARMED,
    Role.PERPETRATOR_OUTREACH: Side.PERSON_USING_VIOLENCE,
    Role.LEAD_AGENCY_COORDINATOR: Side.WHOLE_CASE,
}
"""Whoever meets the person using violence must not know where the person harmed is."""


ASKS_BESIDES: Mapping[str, tuple[str, ...]] = {
    "plans": ("risk.ask", "referrals.screen"),
    "notify": ("referrals.reach",),
}
"""Under which scopes a service asks others than allocation, which all of them ask."""


AGENCIES = "urn:accord:agencies"
"""Who vouches for an agency's code, where an agency is named on a list of a case."""


def listed_id(issuer: str, subject: str) -> Id:
    """Give the id by which the lists of a case name whoever is in no directory.

    It is the same in every service: standings are asked for by it as by a worker's id.

    Args:
        issuer: The identity provider who vouches for them; ``AGENCIES`` for an agency.
        subject: Who, by the provider's id; an agency's code.
    """
    return str(uuid5(NAMESPACE_URL, json.dumps([issuer, subject])))


class ClosedToChange(Refusal):
    """This case was transferred to another region: here it is not changed any more."""


class OpenGlass(BaseModel):
    """That a worker has broken the glass of a case, and until when it stays open."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    id: Id
    until: AwareDatetime


NO_CASE = "00000000-0000-0000-0000-000000000000"
"""Asked about in the place of a case, where all that counts is who is at work, or
whether they coordinate in the locality as a whole."""


class Standing(BaseModel):
    """How one worker stands to one case, as allocation answers ``/v1/standings``.

    Whoever is in no directory is asked about by their ``listed_id``, and is nothing in
    it but ``excluded``, if the case's lists name them.

    Attributes:
        active: The directory knows the worker, and they are at work.
        coordinator: They coordinate the locality, and so all of its cases.
        sides: Whom they serve in the case now.
        served: Whom they have ever served in it.
        own_side: Whom their roles in the directory have them serve, if any.
        conflict: They are related to somebody in it, or are one of them.
        excluded: They are named as who may not see it.
        unlisted: Only named workers may see it, and they are none of them.
        glass: They have broken its glass.
        transferred: The case is another region's now: here it is read, not changed.
        skills: Codes of what they are trained in, by the directory.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    case_id: Id
    worker_id: Id
    active: bool = False
    coordinator: bool = False
    sides: frozenset[Side] = frozenset()
    served: frozenset[Side] = frozenset()
    own_side: Side | None = None
    conflict: bool = False
    excluded: bool = False
    unlisted: bool = False
    glass: OpenGlass | None = None
    transferred: bool = False
    skills: frozenset[Code] = frozenset()


CASES_OF_A_QUESTION = 50
QUESTIONS_TOGETHER = 20
"""With as many cases each they fit into a body of 64 KiB."""


class AskStanding(BaseModel):
    """Which worker's standing to which cases is asked for."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    worker_id: Id
    case_ids: Annotated[
        tuple[Id, ...], Field(min_length=1, max_length=CASES_OF_A_QUESTION)
    ]


class AskStandings(BaseModel):
    """Whose standing is asked for, of many workers at once."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    asked: Annotated[
        tuple[AskStanding, ...], Field(min_length=1, max_length=QUESTIONS_TOGETHER)
    ]


class Standings(BaseModel):
    """How the workers stand to each of the cases that were asked for."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    standings: tuple[Standing, ...]
