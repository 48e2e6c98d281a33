"""What an agency tells when it refers: people, what happened, and why it may tell."""

from collections.abc import Hashable
from datetime import UTC, datetime
from enum import StrEnum
from typing import Annotated, Self, TypeVar

from accord_contracts.message import Code
from accord_contracts.referrals import (
    Answer,
    Answers,
    ContactWish,
    IncidentKind,
    PersonRole,
    Relationship,
    Score,
)
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    model_validator,
)
from pydantic_core import PydanticCustomError

from referrals.domain.born import EARLIEST, DateOfBirth
from referrals.domain.erasure import ERASED_NAME
from referrals.domain.naming import folded
from referrals.domain.trigger import MOST, ToldTrigger
from referrals.domain.window import Windows

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Channel(StrEnum):
    """The ways in which a person may be reached."""

    PHONE = "phone"
    TEXT = "text"
    EMAIL = "email"
    POST = "post"
    VISIT = "visit"
    OTHER_PERSON = "other_person"


class Safety(StrEnum):
    """Whether a contact point may be used. Unknown is not safe."""

    SAFE = "safe"
    UNSAFE = "unsafe"
    UNKNOWN = "unknown"


class Gender(StrEnum):
    """A person's gender, as the agency was told."""

    FEMALE = "female"
    MALE = "male"
    ANOTHER = "another_gender"
    NOT_STATED = "not_stated"


class Asker(StrEnum):
    """Who has asked an agency for help, in their own words."""

    PERSON_HARMED = "person_harmed"
    PERSON_USING_VIOLENCE = "person_using_violence"
    WHANAU = "whanau"
    SOMEBODY_ELSE = "somebody_else"


class Purpose(StrEnum):
    """What a referral is shared for.

    The three purposes of the Family Violence Act 2018, s 20: to assess risk or need, to
    make or carry out a plan, to help ensure that a victim is protected. Or another
    ground: Privacy Act 2020, information privacy principle 11.
    """

    ASSESSMENT = "fva20_a"
    PLAN = "fva20_b"
    PROTECTION = "fva20_c"
    OTHER_GROUND = "ipp11"


def _sorted(answers: dict[K, V]) -> dict[K, V]:
    """Put a mapping into one order, so that the same answers are the same body."""
    return dict(sorted(answers.items()))


def _somebody_harmed(
    people: "tuple[DescribedPerson, ...]",
) -> "tuple[DescribedPerson, ...]":
    if not any(each.role is PersonRole.PERSON_HARMED for each in people):
        raise PydanticCustomError("nobody_harmed", "Somebody must be the one harmed.")
    return people


def _text(longest: int) -> StringConstraints:
    return StringConstraints(strip_whitespace=True, min_length=1, max_length=longest)


Name = Annotated[str, _text(100)]
Text = Annotated[str, _text(200)]
Narrative = Annotated[str, _text(20_000)]
SortedAnswers = Annotated[Answers, AfterValidator(_sorted)]
SortedForm = Annotated[
    dict[Code, Answer], Field(max_length=100), AfterValidator(_sorted)
]
SortedScores = Annotated[
    dict[Code, Score], Field(max_length=100), AfterValidator(_sorted)
]


def _as_text(told: object) -> object:
    if isinstance(told, int | float):
        raise PydanticCustomError("time_as_number", "Tell a time as text (RFC 3339).")
    return told


OccurredAt = Annotated[
    AwareDatetime,
    BeforeValidator(_as_text),
    Field(ge=datetime(EARLIEST, 1, 1, tzinfo=UTC)),
]


class Told(BaseModel):
    """What every part of a referral has in common: it is kept as it was told."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Identifier(Told):
    """A number or code under which an agency's register knows one person.

    Attributes:
        system: Which register: ``nhi`` for the National Health Index.
    """

    system: Code
    value: Annotated[
        str,
        StringConstraints(
            strip_whitespace=True,
            max_length=64,
            # Without a digit other than 0 it is a placeholder: "unknown", "0000".
            pattern=r"^[A-Za-z0-9 ./_-]*[1-9][A-Za-z0-9 ./_-]*$",
        ),
    ]


def different_words(code_word: str | None, duress_word: str | None) -> None:
    """See that the two words of a way to reach somebody are not taken for each other.

    Raises:
        PydanticCustomError: They are one word.
    """
    if duress_word and code_word and folded(duress_word) == folded(code_word):
        raise PydanticCustomError("words_alike", "The two words must differ.")


class ContactPoint(Told):
    """A way to reach a person, and what makes it safe. What is not told is denied.

    Attributes:
        read_by: Who else can read or hear what is sent.
        hours: When it may be used, in words: it is not used until somebody has asked.
        windows: When it may be used, in days and hours that clocks in the region show.
        code_word: What a caller says, so that the person knows who it is.
        duress_word: What the person says when somebody is listening.
        leave_message: A message may be left.
        say_who: Whoever calls may say where from.
    """

    channel: Channel
    value: Text
    safety: Safety = Safety.UNKNOWN
    read_by: Text | None = None
    hours: Text | None = None
    windows: Annotated[Windows, Field(min_length=1)] | None = None
    code_word: Text | None = None
    duress_word: Text | None = None
    leave_message: bool = False
    say_who: bool = False

    @model_validator(mode="after")
    def _words_differ(self) -> Self:
        different_words(self.code_word, self.duress_word)
        return self


class DescribedPerson(Told):
    """A person as the agency describes them; at least one name is needed.

    Attributes:
        relationship: How they are related to the person harmed; of the person harmed,
            to whoever uses violence. None: it was not told.
    """

    role: PersonRole
    relationship: Relationship | None = None
    given_name: Name | None = None
    family_name: Name | None = None
    date_of_birth: DateOfBirth | None = None
    gender: Gender = Gender.NOT_STATED
    identifiers: Annotated[tuple[Identifier, ...], Field(max_length=10)] = ()
    contact_points: Annotated[tuple[ContactPoint, ...], Field(max_length=10)] = ()

    @model_validator(mode="after")
    def _has_a_name(self) -> Self:
        if self.given_name is None and self.family_name is None:
            raise PydanticCustomError("name_missing", "A name is needed.")
        return self


class Place(Told):
    """Where it happened: a code of a suburb or larger, and an address."""

    area: Code | None = None
    address: Text | None = None


class WorkerWishes(Told):
    """What the person harmed asks of whoever is sent to them.

    Attributes:
        not_told: Codes of agencies that are not to be told, if it can be helped.
        iwi: Codes of iwi, one of which they should have links with.
        communities: Codes of other communities, likewise.
    """

    gender: ContactWish = ContactWish.NO_WISH
    languages: Annotated[tuple[Code, ...], Field(max_length=5)] = ()
    kaupapa_maori: bool = False
    area: Code | None = None
    not_told: Annotated[tuple[Code, ...], Field(max_length=20)] = ()
    iwi: Annotated[tuple[Code, ...], Field(max_length=5)] = ()
    communities: Annotated[tuple[Code, ...], Field(max_length=5)] = ()


class InstrumentAnswers(Told):
    """The answers to an instrument's items, and the total if the agency added it up.

    Attributes:
        numbers: Of items that are counted or graded.
        certified: A certified user has scored it.
    """

    instrument: Code
    answers: SortedForm = {}
    numbers: SortedScores = {}
    total: Score | None = None
    certified: bool = False


class Sharing(Told):
    """On what ground the agency shares this.

    Attributes:
        consulted: The person was asked about it first.
        why_not_safe: If not: why asking would not have been safe.
    """

    purpose: Purpose
    consulted: bool
    why_not_safe: Annotated[str, _text(500)] | None = None

    @model_validator(mode="after")
    def _consulted_or_unsafe(self) -> Self:
        if not self.consulted and self.why_not_safe is None:
            raise PydanticCustomError(
                "consulted_or_why_not_safe", "Say why asking was not safe."
            )
        return self


class AskedBy(Told):
    """Who asked for help themselves, through a helpline or a community group.

    Attributes:
        who: Who told it.
        person: Their place in the list of people, from 0; none, if they are not named.
        agreed: They agreed to have it passed on.
        no_safe_contact: They said that there is no safe way to reach them. Else one is
            told with them, so that it can be used at once.
    """

    who: Asker
    person: Annotated[int, Field(ge=0, lt=30)] | None = None
    agreed: bool
    no_safe_contact: bool = False


class Telling(Told):
    """All that an agency tells in one referral.

    Attributes:
        reference: The agency's own.
        answers: To the locality's questions about risk.
        triggers: What is known to come, and when.
        asked_by: Who asked for help themselves; none: the agency saw it itself.
    """

    people: Annotated[
        tuple[DescribedPerson, ...],
        Field(max_length=30, json_schema_extra={"minItems": 1}),
        AfterValidator(_somebody_harmed),
    ]
    incidents: Annotated[tuple[IncidentKind, ...], Field(min_length=1, max_length=20)]
    occurred_at: OccurredAt
    sharing: Sharing
    place: Place = Place()
    narrative: Narrative | None = None
    answers: SortedAnswers = {}
    instruments: Annotated[tuple[InstrumentAnswers, ...], Field(max_length=10)] = ()
    wishes: WorkerWishes = WorkerWishes()
    reference: Annotated[str, _text(100)] | None = None
    triggers: Annotated[tuple[ToldTrigger, ...], Field(max_length=MOST)] = ()
    asked_by: AskedBy | None = None

    def tombstone(self, at: datetime) -> "Telling":
        """Leave how many people of which part were named, and nothing else."""
        people = tuple(
            DescribedPerson(role=each.role, given_name=ERASED_NAME)
            for each in self.people
        )
        sharing = Sharing(purpose=self.sharing.purpose, consulted=True)
        return Telling(
            people=people,
            incidents=(IncidentKind.OTHER,),
            occurred_at=at,
            sharing=sharing,
        )

    @property
    def canonical(self) -> str:
        """Give it as a text: the same for two tellings that say the same.

        Fields that were left out do not count, so that a release which adds a field
        still knows what it was told before.
        """
        return self.model_dump_json(exclude_defaults=True)
