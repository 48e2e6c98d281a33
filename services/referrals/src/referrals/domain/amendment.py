"""What an agency changes of its own referral once sent, and what stood before."""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid5

from accord_contracts.problem import Refusal
from accord_contracts.referrals import (
    FieldGroup,
    IncidentKind,
    PersonRole,
    Relationship,
    WithdrawalReason,
)
from pydantic import BaseModel, ConfigDict, Field

from referrals.domain.born import DateOfBirth
from referrals.domain.telling import (
    AskedBy,
    ContactPoint,
    DescribedPerson,
    Gender,
    Identifier,
    InstrumentAnswers,
    Name,
    Narrative,
    OccurredAt,
    Place,
    Sharing,
    SortedAnswers,
    Telling,
    Told,
    WorkerWishes,
)

MOST_CHANGES = 50
"""Changes of one referral: what stood before is kept with it, and bounded by this."""

REST = "rest"
"""The part of what stood before that is about no one person."""

IDENTITY = frozenset({"given_name", "family_name", "date_of_birth", "identifiers"})
"""The fields by which somebody is recognised."""

SIMPLE = {
    "incidents": FieldGroup.INCIDENTS,
    "occurred_at": FieldGroup.TIME,
    "place": FieldGroup.PLACE,
    "narrative": FieldGroup.NARRATIVE,
    "instruments": FieldGroup.INSTRUMENTS,
    "wishes": FieldGroup.WISHES,
    "sharing": FieldGroup.SHARING,
    "asked_by": FieldGroup.SHARING,
}
"""The fields that are replaced as a whole, and what each is about."""

Where = Annotated[int, Field(ge=0, lt=30)]
"""Which person of the referral, in the order they were described in, from 0."""


class Withdrawn(Refusal):
    """This referral was withdrawn: refer anew."""


class PartlyErased(Refusal):
    """This referral is erased, or a part of it: refer anew."""


class TooManyChanges(Refusal):
    """This referral was changed too often: refer anew."""


class NothingChanged(Refusal):
    """This says nothing else than the referral does."""

    status = 422


class ChangedMeanwhile(Refusal):
    """This referral has changed since it was read: read it again."""

    status = 412


class PersonCorrection(Told):
    """What is corrected of one person; what is left out stays, and null takes away."""

    person: Where
    role: PersonRole | None = None
    relationship: Relationship | None = None
    given_name: Name | None = None
    family_name: Name | None = None
    date_of_birth: DateOfBirth | None = None
    gender: Gender | None = None
    identifiers: Annotated[tuple[Identifier, ...], Field(max_length=10)] = ()
    contact_points: Annotated[tuple[ContactPoint, ...], Field(max_length=10)] = ()


class AddedContactPoint(ContactPoint):
    """A further way to reach one person."""

    person: Where


class Amending(Told):
    """What is corrected or added; what is left out stays.

    Attributes:
        people: Corrections of those whom the referral names.
        add_people: Further people.
        add_contact_points: Further ways to reach those whom the referral names.
        add_incidents: Further kinds of incident.
        answers: To the locality's questions about risk; what was answered to others
            stays.
    """

    people: Annotated[tuple[PersonCorrection, ...], Field(max_length=30)] = ()
    add_people: Annotated[tuple[DescribedPerson, ...], Field(max_length=30)] = ()
    add_contact_points: Annotated[
        tuple[AddedContactPoint, ...], Field(max_length=30)
    ] = ()
    incidents: Annotated[tuple[IncidentKind, ...], Field(max_length=20)] = ()
    add_incidents: Annotated[tuple[IncidentKind, ...], Field(max_length=20)] = ()
    occurred_at: OccurredAt | None = None
    place: Place | None = None
    narrative: Narrative | None = None
    answers: Annotated[SortedAnswers, Field(default_factory=dict)]
    instruments: Annotated[tuple[InstrumentAnswers, ...], Field(max_length=10)] = ()
    wishes: WorkerWishes | None = None
    sharing: Sharing | None = None
    asked_by: AskedBy | None = None

    @property
    def canonical(self) -> str:
        """Give it as a text: the same for two that say the same."""
        return self.model_dump_json(exclude_unset=True)

    def strangers(self, people: int) -> Iterator[tuple[str | int, ...]]:
        """Name where somebody is meant whom a referral of so many people has not."""
        for field in ("people", "add_contact_points"):
            for place, each in enumerate(getattr(self, field)):
                if each.person >= people:
                    yield (field, place, "person")

    def applied(self, told: Telling) -> Telling:
        """Give what the referral tells now.

        Raises:
            ValidationError: It cannot be told so.
        """
        fields = told.model_dump()
        given = self.model_dump(exclude_unset=True)
        fields |= {each: given[each] for each in SIMPLE if each in given}
        kinds = (*fields["incidents"], *given.get("add_incidents", ()))
        fields["incidents"] = tuple(dict.fromkeys(kinds))
        fields["answers"] = told.answers | self.answers
        people = [dict(each) for each in fields["people"]]
        for each in given.get("people", ()):
            people[each.pop("person")] |= each
        for each in given.get("add_contact_points", ()):
            person = people[each.pop("person")]
            person["contact_points"] = (*person["contact_points"], each)
        fields["people"] = (*people, *given.get("add_people", ()))
        return Telling.model_validate(fields)


class Change(BaseModel):
    """One change of a referral by the agency that sent it: an amendment, or the end.

    Attributes:
        id: Derived from the request's key, so that sending it again is known.
        fingerprint: Of what was sent, keyed.
        by: The subject of the token that it was sent with.
        fields: Names of the fields that changed, and never a value.
        identity: Those people by which they are recognised was corrected.
        was: What stood before, as JSON, by the part that it is sealed and erased with.
        reason: Why the referral was withdrawn; none if it was amended.
    """

    model_config = ConfigDict(frozen=True)

    id: str
    fingerprint: str
    at: datetime
    by: str
    fields: tuple[str, ...] = ()
    groups: tuple[FieldGroup, ...] = ()
    identity: tuple[int, ...] = ()
    was: dict[str, str] = {}
    reason: WithdrawalReason | None = None

    @property
    def reached(self) -> tuple[int, ...]:
        """Give those people of whom the ways to reach them changed."""
        parts = (each.partition("/") for each in self.was)
        return tuple(int(place) for kind, _, place in parts if kind == "address")

    def before(self, place: int) -> dict[str, Any]:
        """Give what stood of a person before, as far as it changed."""
        return dict(json.loads(self.was.get(f"person/{place}", "{}")))

    def unreadable(self) -> "Change":
        """Leave nothing by which what was sent could be guessed."""
        return self.model_copy(update={"fingerprint": ""})


def change_id(referral_id: str, key: str) -> str:
    """Derive the id of a change, so that sending it again is known."""
    return str(uuid5(UUID(referral_id), json.dumps(["change", key])))


def compared(old: Telling, new: Telling) -> dict[str, Any]:
    """Tell how two tellings differ: names, what they are about, and what stood before.

    Returns:
        Those fields of a ``Change`` that say so.
    """
    before, after = old.model_dump(mode="json"), new.model_dump(mode="json")
    groups = {SIMPLE[each] for each in SIMPLE if before[each] != after[each]}
    fields = [each for each in SIMPLE if before[each] != after[each]]
    rest: dict[str, Any] = {each: before[each] for each in fields}
    asked = [
        q for q, said in after["answers"].items() if before["answers"].get(q) != said
    ]
    if asked:
        groups.add(FieldGroup.ANSWERS)
        rest["answers"] = {each: before["answers"].get(each) for each in asked}
        fields += [f"answers.{each}" for each in asked]
    was = {REST: rest} if rest else {}
    identity: list[int] = []
    for place, person in enumerate(after["people"]):
        if place >= len(before["people"]):
            groups |= {FieldGroup.PEOPLE}
            groups |= {FieldGroup.CONTACT} if person["contact_points"] else set()
            fields.append(f"people.{place}")
            continue
        stood = before["people"][place]
        differing = {
            each: stood[each] for each in person if stood[each] != person[each]
        }
        fields += [f"people.{place}.{each}" for each in differing]
        if "contact_points" in differing:
            groups.add(FieldGroup.CONTACT)
            was[f"address/{place}"] = differing.pop("contact_points")
        if differing:
            groups.add(FieldGroup.PEOPLE)
            was[f"person/{place}"] = differing
        if IDENTITY & differing.keys():
            identity.append(place)
    return {
        "fields": tuple(fields),
        "groups": tuple(sorted(groups)),
        "identity": tuple(identity),
        "was": {part: json.dumps(each) for part, each in was.items()},
    }


def take_apart(changes: Sequence[dict[str, Any]]) -> dict[str, dict[str, str]]:
    """Take what stood before out of changes, to be sealed part by part."""
    parts: dict[str, dict[str, str]] = {}
    for number, each in enumerate(changes):
        for part, text in each.pop("was").items():
            parts.setdefault(f"before/{part}", {})[str(number)] = text
    return parts


def put_together(changes: Sequence[dict[str, Any]], parts: Mapping[str, Any]) -> None:
    """Put back what stood before, as far as it can be read."""
    for part, texts in parts.items():
        if part.startswith("before/") and isinstance(texts, dict):
            for number, text in texts.items():
                was = changes[int(number)].setdefault("was", {})
                was[part.removeprefix("before/")] = text
