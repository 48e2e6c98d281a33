"""What may stand on whose paper, and what may leave: the rules alone."""

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest
import yaml
from accord_chassis.decision import NOT_OUTREACH, Permit
from accord_chassis.testing import NOON, new_id
from accord_contracts.access import Side
from accord_contracts.allocation import Role
from accord_contracts.papers import Audience
from accord_contracts.plans import NeedLevel, ServiceStep
from accord_contracts.referrals import TriggerKind
from accord_contracts.risk import RiskLevel
from hypothesis import given, settings
from hypothesis import strategies as st
from meetings_builders import decision, patrols, said
from papers_builders import BOTH, HERS, HIS, SPEECH, entry, voice, wording_fields
from plans.documents.audience import Addressed, Facts, Promise, redacted
from plans.documents.pack import extract_of
from plans.documents.page import Mark, page_of
from plans.documents.release import Release
from plans.documents.routes import PAPERS
from plans.documents.scan import ProtectedText, look_through
from plans.documents.sheet import reference, sheet_of
from plans.documents.voice import NotTheirCopy, OwnVoice, copy_of
from plans.documents.wording import Speech, Wording
from plans.domain.action import Action, Said
from plans.domain.coming import Coming
from plans.domain.letting import (
    AnotherPaper,
    NotConfirmed,
    OwnRelease,
    Reader,
    ReleaseOver,
)
from plans.domain.meeting.discussion import Decision, Discussion, Task, Wanted
from plans.domain.meeting.promises import keep
from plans.domain.merging import carry, share_of
from plans.domain.plan import Plan
from plans.domain.template import Part, Policy
from plans.meeting.views import DiscussionView, ExtractCaseView, ExtractView
from plans.needs.need import Need, Reached, Service
from plans.needs.need import Voice as Word
from plans_builders import IVS, POLICY, assessment, does, owner, parted_policy, plan

LOCALITIES = Path(__file__).parents[3] / "localities"
HOUR = timedelta(hours=1)
PARTED = parted_policy()
EVERY_TASK = Permit("owner", frozenset(f"tasks_{each}" for each in Side))

OF_SOMEBODY = (Part.PERSON_HARMED, Part.CHILD)
"""The parts in which an action may be for somebody by name."""

AGENCIES = ("police", "refuge_agency", "outreach_agency")


SEEN_FROM = {
    Part.PERSON_HARMED: HERS,
    Part.CHILD: BOTH,
    Part.PERSON_USING_VIOLENCE: HIS,
    Part.WHOLE_CASE: BOTH,
}


@dataclass
class Family:
    """What is known of one case, where every text is found nowhere else.

    Attributes:
        told: Each text, with whose side, person and agency it is of.
    """

    told: dict[str, tuple[str, Side, str | None]] = field(default_factory=dict)
    facts: Facts = field(init=False)
    discussion: Discussion = field(init=False)
    plan: Plan = field(init=False)
    needs: tuple[Need, ...] = ()
    voices: tuple[OwnVoice, ...] = ()

    @property
    def speech(self) -> Speech:
        """The words, in which each thing that is done is put plainly, as it is."""
        fields = wording_fields()
        actions = [text for text, (kind, *_) in self.told.items() if kind == "action"]
        fields["words"] |= {each: {"en": each, "plain": each} for each in actions}
        return Speech(
            wording=Wording.model_validate(fields), time_zone=SPEECH.time_zone
        )

    def token(self, kind: str, side: Side, of: str | None = None) -> str:
        """Give a text that is found nowhere else."""
        made = f"zq{len(self.told):03d}x{kind}"
        self.told[made] = (kind, side, of)
        return made


@st.composite
def families(draw: st.DrawFn) -> Family:
    """Give families of any size, with anything known of anybody."""
    family = Family()
    case = new_id()
    people = {
        new_id(): side
        for side in draw(st.lists(st.sampled_from((HERS, HIS)), min_size=2, max_size=5))
    }
    hers = [each for each, side in people.items() if side is HERS]
    harmed = tuple(each for each in hers if draw(st.booleans()))

    def whose(part: Part, person: str | None) -> str | None:
        """Say on whose own copy an action is: the rules in other words."""
        if part not in OF_SOMEBODY:
            return None
        if person is None and part is Part.PERSON_HARMED and len(harmed) == 1:
            return harmed[0]
        return person

    actions = tuple(
        Action(
            id=new_id(),
            code=family.token("action", SEEN_FROM[part], whose(part, person)),
            person_id=person,
            strand="immediate_safety",
            part=part,
            role=role,
            mandatory=True,
            due_at=NOON,
            worker_id=family.token("worker", BOTH),
        )
        for part, role, named in draw(
            st.lists(
                st.tuples(
                    st.sampled_from(Part),
                    st.sampled_from(Role),
                    st.sampled_from([None, *hers]),
                ),
                max_size=8,
            )
        )
        for person in (named if part in OF_SOMEBODY else None,)
    )
    needs = tuple(
        Need(
            id=new_id(),
            case_id=case,
            person_id=person,
            side=side,
            strand=family.token("strand", side, person),
            level=NeedLevel.UNMET,
            voice=Word.AGREED,
            assessed_at=NOON,
            by=family.token("worker", BOTH),
            services=(
                Service(
                    id=new_id(),
                    provider=family.token("provider", side, person),
                    steps=(Reached(step=ServiceStep.OFFERED, at=NOON, by="somebody"),),
                    answer_by=NOON,
                ),
            ),
        )
        for person, side in people.items()
        if draw(st.booleans())
    )
    voices = [
        voice(
            family.token("words", side, person),
            side=side,
            person_id=person,
            case_id=case,
        )
        for person, side in people.items()
    ]
    tasks = tuple(
        Task(
            action=family.token("task", about, agency),
            agency=agency,
            about=about,
            within_hours=1,
        )
        for about, agency in draw(
            st.lists(
                st.tuples(st.sampled_from(Side), st.sampled_from(AGENCIES)), max_size=6
            )
        )
    )
    wanted = Wanted(level=RiskLevel.HIGH, tasks=tasks)
    decided = Decision(wanted=wanted, by=new_id(), agency=None, at=NOON, raised=False)
    family.discussion = Discussion.of(new_id(), case).decide(
        wanted, replaces=0, decision=decided
    )
    coming = Coming(
        kind=TriggerKind.PRISON_RELEASE,
        happens_at=NOON + 99 * HOUR,
        in_force_by=NOON + 27 * HOUR,
        revision=1,
    )
    held = plan(case_id=case).model_copy(
        update={
            "actions": actions,
            "coming": {new_id(): coming},
            "harmed": harmed,
        }
    )
    family.plan, family.needs, family.voices = held, needs, tuple(voices)
    family.facts = Facts.of(held, needs, [family.discussion], voices)
    return family


def papers_for(family: Family) -> list[Addressed]:
    """Give everybody for whom there is a paper of a family."""
    people = {each.person_id for each in family.facts.said if each.side is HERS}
    return [
        Addressed(Audience.TEAM),
        Addressed(Audience.OUTREACH),
        *(Addressed(Audience.PERSON, person_id=each) for each in people),
        *(Addressed(Audience.AGENCY, agency=each) for each in AGENCIES),
    ]


def may(to: Addressed, kind: str, side: Side, of: str | None) -> bool:
    """Say what may stand on a paper: the rules once more, in other words."""
    if kind == "worker":
        return False
    match to.audience:
        case Audience.TEAM:
            return True
        case Audience.OUTREACH:
            return side is HIS
        case Audience.PERSON:
            theirs = kind == "action" or (kind in {"words", "strand"} and side is HERS)
            return theirs and of == to.person_id
        case Audience.AGENCY:
            return kind == "task" and side is not HIS and of == to.agency


@settings(max_examples=60, deadline=None)
@given(families())
def test_nothing_of_one_compartment_is_on_a_paper_of_another(family: Family) -> None:
    for to in papers_for(family):
        sheet = sheet_of(family.facts, to, family.speech)
        mark = Mark.released_to(to, new_id(), NOON, SPEECH)
        page, told = page_of(sheet, mark), sheet.model_dump_json()
        for token, about in family.told.items():
            # On paper a code without a word of its own stands as it is.
            assert (token in page) is may(to, *about), (to, about)
            assert (token in told) is may(to, *about), (to, about)
        others = {e.person_id for e in family.facts.said} - {to.person_id}
        if to.audience is Audience.OUTREACH:
            others = {e.person_id for e in family.facts.said if e.side is HERS}
        if to.audience is not Audience.TEAM:
            assert not any(reference(each) in page for each in others)
            assert "risk" not in page
            assert "prison" not in page


@settings(max_examples=60, deadline=None)
@given(families())
def test_an_extract_holds_nothing_of_another_compartment(family: Family) -> None:
    sides = {
        "hers": NOT_OUTREACH,
        "his": frozenset({HIS}),
    }
    for agency in AGENCIES:
        for side, about in sides.items():
            seen = Permit("owner", frozenset(f"tasks_{each}" for each in about))
            shown = ExtractCaseView.of(family.discussion, agency, seen)
            text = shown.model_dump_json()
            for token, (kind, whose, of) in family.told.items():
                theirs = kind == "task" and of == agency and whose in about
                assert (token in text) is theirs, side


@settings(max_examples=40, deadline=None)
@given(families())
def test_what_redaction_would_leave_by_mistake_does_not_leave(family: Family) -> None:
    for to in papers_for(family):
        left = redacted(family.facts, to)
        good = sheet_of(family.facts, to, SPEECH)
        look_through(good, family.facts, left)
        whole = sheet_of(family.facts, Addressed(Audience.TEAM), SPEECH)
        if any(e.side is HERS for e in family.facts.said) and (
            to.audience in {Audience.OUTREACH, Audience.AGENCY}
        ):
            with pytest.raises(ProtectedText):
                look_through(whole, family.facts, left)


def test_only_who_may_read_all_of_a_paper_has_it() -> None:
    assert {
        "team": NOT_OUTREACH,
        "person": NOT_OUTREACH,
        "outreach": frozenset(Side),
        "agency": NOT_OUTREACH,
    } == PAPERS


def test_her_own_copy_has_only_what_the_locality_has_put_plainly() -> None:
    said = voice("Hello")
    held = plan(RiskLevel.HIGH).protects([said.person_id])
    facts = Facts.of(held, voices=[said])
    to = Addressed(Audience.PERSON, person_id=said.person_id)

    page = page_of(
        sheet_of(facts, to, SPEECH), Mark.released_to(to, new_id(), NOON, SPEECH)
    )

    assert "We ring you." in page
    assert "safety advice" not in page
    assert "programme" not in page


def own(held: Plan, person_id: str) -> set[str]:
    """Give what is done for somebody, by their own copy."""
    left = redacted(Facts.of(held), Addressed(Audience.PERSON, person_id=person_id))
    return {each.code for each in left.actions}


def test_a_copy_has_what_is_done_for_whose_it_is_and_for_nobody_else() -> None:
    her, child, sister, gran, other = (new_id() for _ in range(5))
    known = Plan(id=new_id()).protects([her]).meet([child, sister], PARTED, NOON)
    held = known.draft(assessment(), PARTED, NOON)
    theirs = Plan(id=new_id()).protects([other]).draft(assessment(), PARTED, NOON)
    share = share_of(theirs.take_role(IVS, owner("w", NOON)))

    merged = carry(held, theirs.id, share, {}, policy=PARTED, at=NOON)

    assert own(merged, her) >= {"safe_contact", "safety_advice"}
    assert own(merged, child) == own(merged, sister) == {"child_seen"}
    assert own(merged, gran) == set()
    facts = Facts.of(merged)
    of_other = redacted(facts, Addressed(Audience.PERSON, person_id=other)).actions
    assert of_other
    assert not {e.id for e in of_other} & {e.id for e in held.actions}


def test_of_two_people_harmed_neither_copy_has_what_is_done_for_the_other() -> None:
    mother, daughter, gran = (new_id() for _ in range(3))
    alone = Plan(id=new_id()).protects([mother]).draft(assessment(), PARTED, NOON)
    begun = does(alone.take_role(IVS, owner("w", NOON)), of(alone), "w", NOON)
    assert own(begun, mother) >= {"safe_contact", "safety_advice"}

    both = begun.protects([daughter]).asks_for_each(begun, PARTED, NOON)

    contacts = [e for e in both.actions if e.code == "safe_contact"]
    assert [(e.person_id, e.open) for e in contacts] == [
        (None, False),
        (daughter, True),
    ]
    assert own(both, daughter) >= {"safe_contact", "safety_advice"}
    facts = Facts.of(both)
    copies = [
        {
            each.id
            for each in redacted(facts, Addressed(Audience.PERSON, person_id=e)).actions
        }
        for e in (mother, daughter)
    ]
    assert copies[0].isdisjoint(copies[1])
    # What was done with whom nobody has written down is on no copy any more.
    assert contacts[0].id not in {*copies[0], *copies[1]}
    assert own(both, gran) == set()


def of(held: Plan, code: str = "safe_contact") -> str:
    [found] = [each.id for each in held.actions if each.code == code]
    return found


def test_the_teams_paper_says_for_which_child_each_thing_is() -> None:
    one, two = new_id(), new_id()
    met = Plan(id=new_id()).meet([one, two], PARTED, NOON)
    facts = Facts.of(met.draft(assessment(), PARTED, NOON))

    sheet = sheet_of(facts, Addressed(Audience.TEAM), SPEECH)

    [section] = [e for e in sheet.sections if e.name == "actions_child"]
    assert {row[1].en for row in section.rows} == {reference(one), reference(two)}
    assert {len(row) for row in section.rows} == {len(section.columns)}


def test_what_is_open_when_a_plan_ends_is_promised_on_no_paper() -> None:
    held = plan(RiskLevel.HIGH)

    facts = Facts.of(held.transfer(NOON))

    assert held.open_actions
    assert facts.actions == ()


def test_what_agencies_left_open_when_a_response_ended_is_promised_on_no_paper() -> (
    None
):
    done, open_ = patrols(), patrols(agency="refuge")
    held = said(Wanted(level=RiskLevel.LOW, tasks=(done, open_)))
    kept, lapsed = held.tasks()
    word = Said(at=NOON, by="somebody")
    ended = keep(held, kept, "police", word, POLICY, grave=False).end(NOON)

    # It is open again: what it was owed before is still not.
    facts = Facts.of(plan(RiskLevel.HIGH), discussions=[ended])
    views = ExtractCaseView.of(ended, "refuge", EVERY_TASK)
    shown = ExtractView(meeting_id=ended.meeting_id, agency="refuge", cases=(views,))

    assert [each.agency for each in facts.promises] == ["police"]
    assert [each.ended for each in views.tasks] == [True]
    assert extract_of(shown, SPEECH).sections[0].rows == ()
    assert [e.ended for e in DiscussionView.of(ended, EVERY_TASK).tasks] == [
        False,
        True,
    ]
    asked = decision(ended.decisions[0].wanted, at=NOON + HOUR)
    again = ended.decide(asked.wanted, replaces=1, decision=asked)
    assert [e.agency for e in Promise.all_of(again)] == ["police", "refuge"]
    assert not again.lapsed(lapsed)


def test_what_people_say_is_text_on_a_paper_and_nothing_else() -> None:
    facts = Facts.of(plan(), voices=[voice("<script>alert(1)</script> & {{ 7*7 }}")])
    to = Addressed(Audience.TEAM)

    page = page_of(
        sheet_of(facts, to, SPEECH), Mark.released_to(to, new_id(), NOON, SPEECH)
    )

    assert "<script" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; {{ 7*7 }}" in page


@pytest.mark.parametrize(
    "words",
    [
        "I am at 14 Rimu Street now",
        "at 2/14a rimu rd, Riccarton",
        "Flat 3, ask for me",
        "12 Te Ara o Rongo Lane",
        "I moved to Kōwhai Crescent",
        "PO Box 1234",
        "Ring me on 021 555 0199",
        "+64 (3) 555-0199",
        "021\u2013555\u20130199",
        "\uff10\uff12\uff11 \uff15\uff15\uff15 \uff10\uff11\uff19\uff19",
        "021\u200b555\u200b0199",
        "write to aroha.n@example.org",
        "see maps.example.nz",
        "https://example.test/here",
        "-43.5321, 172.6362",
        "my NHI is ZZZ0016",
        "my NHI is ZZZ00AX",
        "the car is ABC123",
    ],
)
def test_words_that_tell_where_somebody_is_do_not_leave(words: str) -> None:
    facts = Facts.of(plan(), voices=[voice("Fine.", words)])
    to = Addressed(Audience.PERSON, person_id=facts.said[0].person_id)

    with pytest.raises(ProtectedText, match=r"^Look at: said\.$"):
        look_through(sheet_of(facts, to, SPEECH), facts, redacted(facts, to))


@pytest.mark.parametrize(
    "words",
    [
        "I want to stay in my own home, with 3 new locks.",
        "No order for now: it would make him angry.",
        "Call me after 5 pm on 12 November 2026.",
        "My 2 kids go to the kura by themselves.",
        "E hiahia ana au ki te noho ki tōku whare.",
    ],
)
def test_words_that_tell_nothing_of_that_leave(words: str) -> None:
    facts = Facts.of(plan(), voices=[voice(words)])
    to = Addressed(Audience.PERSON, person_id=facts.said[0].person_id)

    look_through(sheet_of(facts, to, SPEECH), facts, redacted(facts, to))


def reader(name: str, worker: str | None = None) -> Reader:
    return Reader(issuer="issuer", subject=name, worker=worker)


def release(**fields: object) -> Release:
    made = Release(
        id=new_id(),
        case_id=new_id(),
        audience=Audience.TEAM,
        paper="aa",
        asked_by=reader("one", "w1"),
        asked_at=NOON,
        until=NOON + 24 * HOUR,
    )
    return made.model_copy(update=fields)


def test_a_paper_leaves_on_the_word_of_two() -> None:
    asked = release()
    with pytest.raises(NotConfirmed):
        asked.fetch("aa", NOON)

    let_go = asked.confirm(reader("two", "w2"), "aa", at=NOON, hours=72)

    let_go.fetch("aa", NOON + 71 * HOUR)
    again = let_go.confirm(reader("two", "w2"), "aa", at=NOON + HOUR, hours=72)
    assert again == let_go


@pytest.mark.parametrize("same", [reader("one"), reader("other name", "w1")])
def test_nobody_is_two_people(same: Reader) -> None:
    with pytest.raises(OwnRelease):
        release().confirm(same, "aa", at=NOON, hours=72)


def test_who_confirms_has_read_that_very_paper() -> None:
    with pytest.raises(AnotherPaper):
        release().confirm(reader("two"), "bb", at=NOON, hours=72)

    let_go = release().confirm(reader("two"), "aa", at=NOON, hours=72)
    with pytest.raises(AnotherPaper):
        let_go.fetch("bb", NOON)


def test_a_release_lapses_and_can_be_ended() -> None:
    with pytest.raises(ReleaseOver):
        release().confirm(reader("two"), "aa", at=NOON + 24 * HOUR, hours=72)
    let_go = release().confirm(reader("two"), "aa", at=NOON, hours=72)
    with pytest.raises(ReleaseOver):
        let_go.fetch("aa", NOON + 72 * HOUR)

    ended = let_go.end(NOON + HOUR)

    assert ended.end(NOON + 2 * HOUR) == ended
    with pytest.raises(ReleaseOver):
        ended.fetch("aa", NOON + 2 * HOUR)


def test_what_was_said_twice_is_said_once_and_can_be_taken_back() -> None:
    said = entry()
    held = voice().say(said)

    assert held.say(said) is held
    gone = held.take_back(said.id)
    assert gone.entries == ()
    assert gone.take_back(said.id) is gone


def right(held: OwnVoice, harmed: str, using: str, **told: object) -> OwnVoice:
    terms = {"corrected": True, "at": NOON} | told
    return held.put_right(harmed=harmed, using_violence=using, **terms)  # type: ignore[arg-type]


def test_whoever_uses_violence_has_no_copy_of_their_own() -> None:
    claimed = voice("I am the one who is harmed.")
    him, her = claimed.person_id, new_id()
    copy_of({him}, [claimed])

    closed = right(claimed, her, him)

    with pytest.raises(NotTheirCopy):
        copy_of({him}, [closed])
    with pytest.raises(NotTheirCopy):
        copy_of({her}, [closed])
    # An older decision changes nothing; a later one the other way opens it again.
    assert right(closed, him, her, at=NOON - HOUR) == closed
    copy_of({him}, [right(closed, him, her, at=NOON + HOUR)])


@pytest.mark.parametrize(("corrected", "side"), [(True, HERS), (False, HIS)])
def test_what_was_noted_of_her_as_his_is_hers_once_that_is_put_right(
    *, corrected: bool, side: Side
) -> None:
    noted = voice("Words", side=HIS)

    put_right = right(noted, noted.person_id, new_id(), corrected=corrected)

    assert put_right.side is side


def words_needed(policy: Policy, meetings: dict[str, object]) -> set[str]:
    """Give the codes that stand on papers."""
    closed = (RiskLevel, Role, TriggerKind, NeedLevel, ServiceStep, Word)
    codes = {each.value for scale in closed for each in scale}
    terms = [*meetings["series"].values(), meetings["called"]]  # type: ignore[attr-defined]
    agencies = {each for term in terms for each in term["agencies"]}
    return codes | agencies | policy.strands | {*policy.actions}


@pytest.mark.parametrize("name", ["canterbury", "waikato"])
def test_a_locality_has_a_word_for_everything_on_its_papers(name: str) -> None:
    read = {
        each: yaml.safe_load((LOCALITIES / name / f"{each}.yaml").read_text("utf-8"))
        for each in ("plans", "meetings", "documents")
    }
    words = Wording.model_validate(read["documents"]).words

    needed = words_needed(Policy.model_validate(read["plans"]), read["meetings"])

    assert needed <= {*words}
