"""What is done when somebody speaks, a paper is let go, or a decision changes both."""

from datetime import datetime, timedelta
from typing import NamedTuple

from accord_chassis.clock import Clock
from accord_contracts.access import ClosedToChange, Side
from accord_contracts.message import Message
from accord_contracts.one_person import one_with
from accord_contracts.papers import Audience
from accord_contracts.plans import PaperReleased, PlanClosed
from accord_contracts.referrals import (
    CaseErased,
    CaseTransferred,
    PersonErased,
    RolesDecided,
)

from plans.asks import Screens
from plans.documents.audience import Addressed, Facts, redacted
from plans.documents.contents import Contents, contents_of
from plans.documents.printing import Press
from plans.documents.release import Release
from plans.documents.scan import ProtectedText, look_through, refuse, told_on
from plans.documents.sheet import Sheet, sheet_of
from plans.documents.store import LookedThrough, Releases, Voices
from plans.documents.voice import (
    Entry,
    NoSuchEntry,
    OwnVoice,
    UnsafeToHold,
    copy_of,
    voice_id,
)
from plans.documents.wording import Speech
from plans.domain.held import NoPlan
from plans.domain.letting import Reader, is_same
from plans.domain.template import Policy
from plans.meeting.store import Discussions
from plans.needs import handlers as needing
from plans.needs.need import UnknownStrand
from plans.needs.store import Needs
from plans.store import Plans

STAFF = (Audience.TEAM, Audience.OUTREACH)
"""For whom a paper is that stays with whoever fetches it."""


class Papers(NamedTuple):
    """Everything that papers are made with."""

    plans: Plans
    needs: Needs
    discussions: Discussions
    voices: Voices
    releases: Releases
    looks: LookedThrough
    policy: Policy
    speech: Speech
    press: Press
    screens: Screens
    clock: Clock


class Paper(NamedTuple):
    """A paper as it is now.

    Attributes:
        digest: What tells it from others: under a key, so that it tells nothing else.
        contents: What stands on it of whom.
    """

    sheet: Sheet
    digest: str
    contents: Contents


async def read_paper(case_id: str, to: Addressed, papers: Papers) -> Paper:
    """Make a paper to be read on the screen.

    Raises:
        NoPlan: There is no plan for this case.
        NotTheirCopy: It is nobody's copy of their own.
    """
    facts, voices = await _known(case_id, papers)
    return _paper(case_id, facts, voices, to, papers)


async def leaving(case_id: str, to: Addressed, read: str, papers: Papers) -> Paper:
    """Make a paper that may leave, if nothing on it forbids that.

    What is looked for is looked for on the paper that was read alone. Whoever could
    have others looked through, by changing it meanwhile, would learn word by word what
    is protected. For the same reason each counts before anything is looked for on it.

    Args:
        case_id: Of which case.
        to: For whom it is.
        read: Which paper was read.
        papers: What it is made with.

    Raises:
        AnotherPaper: It is not the one that was read.
        NoPlan: There is no plan for this case.
        NotTheirCopy: It is nobody's copy of their own.
        ClosedToChange: The case was handed over to another region.
        UnsafeToHold: Having it is unsafe for whose copy it is.
        LookedTooOften: Other papers of this case were looked through too often.
        Conflict: Another was counted meanwhile.
        ProtectedText: It may tell who or where somebody is.
        ScreeningAway: Whether it does cannot be known at present.
    """
    facts, voices = await _known(case_id, papers)
    if facts.transferred:
        raise ClosedToChange
    paper = _paper(case_id, facts, voices, to, papers)
    is_same(paper.digest, read)
    ids = one_with(to.person_id, facts.links) if to.person_id else frozenset()
    if any(e.unsafe_to_hold and e.person_id in ids for e in voices):
        raise UnsafeToHold
    await papers.looks.count(case_id, paper.digest, papers.clock.now())
    look_through(paper.sheet, facts, redacted(facts, to))
    told = told_on(paper.sheet)
    found = await papers.screens.found(case_id, to, [text for _, text in told])
    refuse(told[each][0] for each in found)
    return paper


async def _known(case_id: str, papers: Papers) -> tuple[Facts, list[OwnVoice]]:
    plan = await papers.plans.known(case_id)
    # What people said and need stays with the case in which they did: all are theirs.
    cases = [case_id, *plan.merged_cases]
    needs = await papers.needs.of_cases(cases)
    discussions = await papers.discussions.of_cases(cases)
    voices = await papers.voices.of_cases(cases)
    return Facts.of(plan, needs, discussions, voices), voices


def _paper(
    case_id: str, facts: Facts, voices: list[OwnVoice], to: Addressed, papers: Papers
) -> Paper:
    if to.audience is Audience.PERSON and to.person_id:
        copy_of(one_with(to.person_id, facts.links), voices)
    sheet = sheet_of(facts, to, papers.speech)
    digest = papers.voices.vault.digest("paper", sheet.model_dump_json())
    return Paper(sheet, digest, contents_of(case_id, redacted(facts, to), to))


async def ask(
    case_id: str, to: Addressed, read: str, *, id_: str, by: Reader, papers: Papers
) -> Release:
    """Ask that a paper may leave, which one has read.

    Raises:
        Refusal: As ``leaving`` says.
    """
    at = papers.clock.now()
    waits = timedelta(hours=papers.speech.wording.confirm_within_hours)
    new = Release(
        id=id_,
        case_id=case_id,
        audience=to.audience,
        person_id=to.person_id,
        agency=to.agency,
        paper=read,
        asked_by=by,
        asked_at=at,
        until=at + waits,
    )
    await _leaving(new, papers)
    return await papers.releases.save(new)


async def confirm(held: Release, by: Reader, read: str, papers: Papers) -> Release:
    """Give a second person's word that a paper may leave.

    Raises:
        Refusal: As ``Release.confirm`` and ``leaving`` say.
    """
    at, hours = papers.clock.now(), papers.speech.wording.released_hours
    new = held.confirm(by, read, at=at, hours=hours)
    await _leaving(held, papers)
    return new if new is held else await papers.releases.save(new)


class Fetcher(NamedTuple):
    """Who fetches a paper.

    Attributes:
        worker: Their id in the directory.
        agency: That they work for, if their token says.
    """

    worker: str | None
    agency: str | None


async def fetch(held: Release, by: Fetcher, papers: Papers) -> Paper:
    """Give a paper that may leave, as it is now, and tell that it has left.

    Before it is given: what cannot be told of leaves with nobody.

    Raises:
        Refusal: As ``Release.fetch`` and ``leaving`` say.
    """
    at = papers.clock.now()
    held.fetch(held.paper, at)
    paper = await _leaving(held, papers)
    agency = by.agency if held.audience in STAFF else held.agency
    if (new := held.leave(agency)) is not held:
        left = PaperReleased(
            case_id=held.case_id,
            release_id=held.id,
            meeting_id=None,
            audience=held.audience,
            agency=agency,
            person_id=held.person_id,
            worker_id=by.worker,
            told=paper.contents[held.case_id],
            released_at=at,
        )
        await papers.releases.save(new, left)
    return paper


async def _leaving(held: Release, papers: Papers) -> Paper:
    """Make the paper of a release, or have that never leave for what the paper tells.

    Raises:
        Refusal: As ``leaving`` says.
    """
    try:
        return await leaving(held.case_id, held.to, held.paper, papers)
    except ProtectedText:
        await papers.releases.save(held.refuse(papers.clock.now()))
        raise


async def end(held: Release, papers: Papers) -> Release:
    """Have a paper not leave any more."""
    new = held.end(papers.clock.now())
    return held if new is held else await papers.releases.save(new)


async def say(held: OwnVoice, entry: Entry, papers: Papers) -> OwnVoice:
    """Write down what somebody said.

    Raises:
        NoPlan: There is none for their case, or no longer; what is kept is of the other
            side by now; or they are erased.
        UnknownStrand: The locality has no such strand.
        SaidTooMuch: It is too much.
        TakenBack: They have taken that back.
    """
    await _still_here(held, papers)
    if entry.strand not in papers.policy.strands:
        raise UnknownStrand
    new = held.say(entry)
    return held if new is held else await papers.voices.keep(held, new)


async def hold(held: OwnVoice, *, unsafe: bool, papers: Papers) -> OwnVoice:
    """Record whether having a copy is unsafe for somebody.

    Raises:
        NoPlan: There is none for their case, or no longer; or they are erased.
    """
    await _still_here(held, papers)
    new = held.hold(unsafe=unsafe)
    return held if new is held else await papers.voices.save(new)


async def _still_here(held: OwnVoice, papers: Papers) -> None:
    plan = await papers.plans.get(held.case_id)
    if plan is None or plan.erased_at:
        raise NoPlan
    if await papers.voices.is_erased(held.person_id, held.case_id):
        raise NoPlan


async def voice_of(
    case_id: str, side: Side, person_id: str, papers: Papers
) -> OwnVoice:
    """Give what one person of a side says; nothing yet, if nothing is recorded.

    Raises:
        NoPlan: What is kept there is of the other side by now.
    """
    held = await papers.voices.get(voice_id(case_id, side, person_id))
    if held and held.side is not side:
        raise NoPlan
    return held or OwnVoice.of(case_id, side, person_id)


async def entry_of(
    case_id: str, person_id: str, entry_id: str, papers: Papers
) -> OwnVoice:
    """Give in whose voice an entry stands, or stood until it was taken back.

    Raises:
        NoSuchEntry: In nobody's of that name.
    """
    for each in await papers.voices.of_case(case_id):
        theirs = each.person_id == person_id and not each.erased
        if theirs and await papers.voices.has_had(each, entry_id):
            return each
    raise NoSuchEntry


async def decide_roles(
    message: Message[RolesDecided], *, voices: Voices, plans: Plans
) -> None:
    """Go by a decision on who harmed whom in what people say for themselves.

    Whoever uses violence has no copy of what is done for somebody harmed, even if
    nobody has recorded anything of them yet. Each write is its own, and changes nothing
    the second time.
    """
    told = message.data
    plan = await plans.get(told.case_id)
    if plan and plan.erased_at:
        return
    known = {each.id: each for each in await voices.of_case(told.case_id)}
    his = OwnVoice.of(told.case_id, Side.PERSON_HARMED, told.using_violence)
    for each in {his.id: his, **known}.values():
        new = each.put_right(
            harmed=told.harmed,
            using_violence=told.using_violence,
            corrected=told.corrected,
            at=told.decided_at,
        )
        if new is not each:
            await voices.save(new)


Ending = RolesDecided | CaseTransferred | PlanClosed | PersonErased
"""After what nothing leaves that was let go before it."""


async def end_releases(
    message: Message[Ending],
    *,
    releases: Releases,
    plans: Plans,
) -> None:
    """Let nothing leave any more that was let go before it was decided anew, or ended.

    Nor of the case that it is merged into, on whose papers its people are too.
    """
    told = message.data
    plan = await plans.get(told.case_id)
    survivor = plan.merged_into if plan else None
    at = _when(told)
    for case_id in filter(None, (told.case_id, survivor)):
        for each in await releases.standing(case_id):
            if each.asked_at <= at:
                await releases.save(each.end(at))


def _when(told: Ending) -> datetime:
    match told:
        case RolesDecided():
            return told.decided_at
        case CaseTransferred():
            return told.transferred_at
        case PlanClosed():
            return told.closed_at
        case PersonErased():
            return told.erased_at


async def erase_voices(message: Message[CaseErased], *, voices: Voices) -> None:
    """Destroy what the people of an erased case said."""
    await voices.erase(message.data.case_id)


async def erase_person(
    message: Message[PersonErased], *, voices: Voices, needs: Needs
) -> None:
    """Destroy what somebody said and needed who is erased, while their case stays.

    That they are is kept first: then nothing is taken of them any more.
    """
    told = message.data
    await voices.erase_person(told.person_id, told.case_id)
    await needing.erase_person(told.person_id, at=told.erased_at, needs=needs)


async def erase_releases(
    message: Message[CaseErased], *, releases: Releases, looks: LookedThrough
) -> None:
    """Delete what was let go of a case that is erased, and what was counted of it."""
    await releases.erase(message.data.case_id)
    await looks.erase(message.data.case_id)
