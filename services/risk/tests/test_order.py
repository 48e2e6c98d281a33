"""In whatever order a case is heard of, what is held of it in the end is the same."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from accord_chassis.testing import NOON, new_id
from accord_contracts.referrals import Answer, IncidentKind, PersonRole
from accord_contracts.risk import RiskLevel
from hypothesis import assume, given
from hypothesis import strategies as st
from risk.domain.assessment import Assessment
from risk.domain.form import Form
from risk.domain.judgement.acts import look_anew
from risk.domain.judgement.record import Contact
from risk.domain.telling import Telling
from risk_builders import ALL_NO, POLICY

CASE, REFERRALS = new_id(), [new_id() for _ in range(3)]


@dataclass(frozen=True)
class Heard:
    """Something that is heard of a case, at a time of its own.

    Attributes:
        kind: A referral of this number, an amendment of it, or a reassessment.
    """

    kind: str
    number: int
    minute: int
    answers: dict[str, Answer]
    incidents: frozenset[IncidentKind]
    total: int | None

    @property
    def at(self) -> datetime:
        return NOON + timedelta(minutes=self.minute)

    @property
    def forms(self) -> dict[str, Form]:
        return {} if self.total is None else {"dash": Form(total=self.total)}

    def to(self, held: Assessment) -> Assessment:
        """Give a case after it, as it is loaded next."""
        if self.kind == "reassessment":
            new = look_anew(
                held, self.answers, Contact.REMOTE, by="one", policy=POLICY,
                at=self.at, forms=self.forms,
            )  # fmt: skip
        else:
            new = self._told(held)
        return new.model_copy(update={"version": held.version + 1})

    def _told(self, held: Assessment) -> Assessment:
        referred = self.kind == "referral"
        telling = Telling(
            occurred_at=self.at,
            received_at=self.at,
            incidents=self.incidents,
            answers=self.answers,
            forms=self.forms,
            people={PersonRole.PERSON_HARMED: ("one",)},
            repeat=referred,
            number=0 if referred else 1,
            asked_at=self.at if referred else None,
        )
        return held.told(REFERRALS[self.number], telling).weigh(
            self.answers,
            self.incidents,
            POLICY,
            self.at,
            repeat=referred,
            forms=self.forms,
        )


SOME = st.dictionaries(
    st.sampled_from(POLICY.questions), st.sampled_from([Answer.YES, Answer.NO])
)


@st.composite
def heard(draw: st.DrawFn) -> list[Heard]:
    """Up to three referrals, their amendments, and reassessments.

    Each answers every question, or asks a few anew: a level that is not low only
    because too little was known does not fall by itself, whatever is known later.
    """
    kinds = [("referral", number) for number in range(draw(st.integers(1, 3)))]
    amended = st.lists(st.sampled_from(kinds), unique=True, max_size=2)
    kinds += [("amendment", number) for _, number in draw(amended)]
    kinds += [("reassessment", 0)] * draw(st.integers(0, 2))
    return [
        Heard(
            kind,
            number,
            draw(st.integers(0, 10_000)),
            {**ALL_NO, **draw(SOME)},
            draw(st.frozensets(st.sampled_from(IncidentKind), max_size=2)),
            draw(st.none() | st.integers(0, 24)),
        )
        for kind, number in kinds
    ]


def held_after(messages: list[Heard]) -> Assessment:
    held = Assessment.new(CASE, messages[0].at)
    for each in messages:
        held = each.to(held)
    return held


@given(heard(), st.data())
def test_the_order_in_which_a_case_is_heard_of_makes_no_difference(
    messages: list[Heard], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(messages))
    # Nobody can assess anew what was never assessed.
    assume(shuffled[0].kind != "reassessment")

    one, other = held_after(messages), held_after(shuffled)

    assert one.level is other.level
    assert one.reasons == other.reasons
    assert one.first_referred_at == other.first_referred_at
    assert one.first_referred_at == max(
        each.at for each in messages if each.kind == "referral"
    )
    assert one.assessed_at == other.assessed_at == max(each.at for each in messages)
    assert (one.due_at, one.reassess_by) == (other.due_at, other.reassess_by)
    assert (one.questions, one.would, one.results) == (
        other.questions,
        other.would,
        other.results,
    )


def test_what_was_too_little_to_be_low_does_not_fall_by_what_is_known_later() -> None:
    empty = Heard("referral", 0, 0, {}, frozenset(), None)
    full = Heard("referral", 1, 1, ALL_NO, frozenset(), None)

    levels = [held_after([*each]).level for each in ((empty, full), (full, empty))]

    # The one thing that order decides: it takes a person to lower it.
    assert levels == [RiskLevel.MEDIUM, RiskLevel.LOW]
