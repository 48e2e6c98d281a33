"""What a referral tells: who, what happened, what was answered and wished."""

from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from accord_contracts.message import Code, Id


class AgencyKind(StrEnum):
    """The kinds of agencies that refer and act (Family Violence Act 2018, s 19)."""

    POLICE = "police"
    CORRECTIONS = "corrections"
    CHILD_PROTECTION = "child_protection"
    HEALTH = "health"
    EDUCATION = "education"
    COURT = "court"
    SOCIAL_DEVELOPMENT = "social_development"
    HOUSING = "housing"
    NGO = "ngo"
    IWI_PROVIDER = "iwi_provider"
    HELPLINE = "helpline"
    OTHER = "other"


class IncidentKind(StrEnum):
    """What happened: the four kinds of the published pilot, and the wider set."""

    PHYSICAL_HARM = "physical_harm"
    PROPERTY_DAMAGE = "property_damage"
    THREATS_OF_HARM = "threats_of_harm"
    VERBAL_ABUSE = "verbal_abuse"
    COERCIVE_CONTROL = "psychological_abuse_and_coercive_control"
    SEXUAL_VIOLENCE = "sexual_violence"
    STALKING = "stalking"
    STRANGULATION = "strangulation"
    BREACH_OF_ORDER = "breach_of_order"
    OTHER = "other"


class PersonRole(StrEnum):
    """The part a person has in what is referred."""

    PERSON_HARMED = "person_harmed"
    PERSON_USING_VIOLENCE = "person_using_violence"
    CHILD = "child"
    OTHER = "other"


class Relationship(StrEnum):
    """How two people are related, one of whom harms the other; it goes both ways.

    Family relationships of the Family Violence Act 2018, s 12 to 14.
    """

    PARTNER = "partner"
    FORMER_PARTNER = "former_partner"
    PARENT_AND_CHILD = "parent_and_child"
    """Also when both are grown up, whoever of them harms the other."""
    SIBLING = "sibling"
    OTHER_FAMILY = "other_family"
    CARER = "carer"
    """One of them cares for the other, who depends on it."""
    HOUSEHOLD = "household"
    """They live under one roof, and are none of these."""
    OTHER = "other"


class Answer(StrEnum):
    """An answer to one question about risk. Only yes is yes, and only no is no."""

    YES = "yes"
    NO = "no"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    NOT_ASKED = "not_asked"


class ContactWish(StrEnum):
    """The gender of worker that the person harmed asks for, if any."""

    WOMAN = "woman"
    MAN = "man"
    NO_WISH = "no_wish"


class Party(BaseModel):
    """One person of a referral, by id, role and how they are related.

    Attributes:
        role: The part that they have in what is referred.
        relationship: How they are related to the person harmed; of the person harmed,
            to whoever uses violence. None: it was not told.
        age: Of a child alone: their whole years when it happened, as few as they may
            have had by what is known of their birth. None: that is too little.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    person_id: Id
    role: PersonRole
    relationship: Relationship | None = None
    age: Annotated[int, Field(ge=0, le=150)] | None = None


class Wishes(BaseModel):
    """What the person harmed asks of whoever is sent to them.

    Attributes:
        gender: The gender that the worker should have.
        languages: Codes of languages, one of which the worker should speak.
        kaupapa_maori: The worker should be of a kaupapa Māori service.
        iwi: Codes of iwi, one of which the worker should have links with.
        communities: Codes of other communities, likewise.
        area: Code of the suburb, or larger, that the worker should serve.
        not_told: Codes of agencies that are not to be told, if it can be helped.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    gender: ContactWish = ContactWish.NO_WISH
    languages: Annotated[tuple[Code, ...], Field(max_length=5)] = ()
    kaupapa_maori: bool = False
    area: Code | None = None
    not_told: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    iwi: Annotated[tuple[Code, ...], Field(max_length=5)] = ()
    communities: Annotated[tuple[Code, ...], Field(max_length=5)] = ()


Answers = Annotated[dict[Code, Answer], Field(max_length=200)]
"""Answers to questions about risk, by the question's key in the locality's policy."""

Score = Annotated[int, Field(ge=0, le=1000)]


class FilledIn(BaseModel):
    """What an agency has filled in of an instrument for weighing risk.

    Attributes:
        instrument: Its key in the locality's policy.
        answers: To the items that are answered by yes and no, by key.
        numbers: Of the items that are counted or graded, by key.
        total: As the agency added it up; none: it did not.
        certified: A certified user has scored it, as its agency says.
    """

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    instrument: Code
    answers: Annotated[dict[Code, Answer], Field(max_length=100)] = {}
    numbers: Annotated[dict[Code, Score], Field(max_length=100)] = {}
    total: Score | None = None
    certified: bool = False


Instruments = Annotated[tuple[FilledIn, ...], Field(max_length=10)]
