"""For whom a paper is, and what plans asks of referrals before one leaves.

Who people are and where they live is the referrals service's alone. Plans sends what
is to stand on a paper (``POST /v1/screenings``) and learns which of its texts name or
place somebody whom the paper must not; never whom, where, or in which words.
"""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from accord_contracts.message import Id

TEXTS_OF_A_QUESTION = 200

LONGEST_TEXT = 2000
"""Characters; the longest that plans keeps is half of it."""


class Audience(StrEnum):
    """For whom a paper is.

    ``TEAM``: the case's team and its coordinator. ``PERSON``: one person harmed, in
    plain language. ``OUTREACH``: whoever meets the person using violence. ``AGENCY``:
    one agency, what it has promised.
    """

    TEAM = "team"
    PERSON = "person"
    OUTREACH = "outreach"
    AGENCY = "agency"


class AskScreening(BaseModel):
    """The question whether texts may stand on a paper that leaves.

    Attributes:
        case_id: Of whom the paper is, with whatever is merged into that case.
        person_id: Whose own copy it is, for ``PERSON`` alone.
        texts: What is to stand on it, as it was told.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    case_id: Id
    audience: Audience
    person_id: Id | None = None
    texts: Annotated[
        tuple[Annotated[str, Field(max_length=LONGEST_TEXT)], ...],
        Field(min_length=1, max_length=TEXTS_OF_A_QUESTION),
    ]


class Screening(BaseModel):
    """Which of the texts must not stand there, by their place from 0."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    case_id: Id
    found: Annotated[
        tuple[Annotated[int, Field(ge=0, lt=TEXTS_OF_A_QUESTION)], ...],
        Field(max_length=TEXTS_OF_A_QUESTION),
    ]
