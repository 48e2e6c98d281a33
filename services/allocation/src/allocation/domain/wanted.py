"""What the staffing of a case rests on: what was said, what was found, what is open."""

from collections.abc import Mapping
from datetime import datetime

from accord_contracts.allocation import Role
from accord_contracts.risk import RiskLevel
from pydantic import BaseModel, ConfigDict

from allocation.domain.lists import Lists
from allocation.domain.people import People
from allocation.domain.policy import Stage
from allocation.domain.walls import Walls
from allocation.domain.wishes import Wishes


class Heard(BaseModel):
    """What one referral said of the wishes of the person harmed.

    Attributes:
        skills: What its incidents ask of a worker's skills.
        place: Code of the area where it happened.
        number: Of the change of the referral that says so; 0: the referral itself.
        at: When it was said.
        assessed: The revision of the assessment of the referral, after which nothing
            waits for it any more; none before.
        over: It was said of a referral whose episode had ended, and counts only once
            that referral is assessed anew.
    """

    model_config = ConfigDict(frozen=True)

    wishes: Wishes
    at: datetime
    skills: frozenset[str] = frozenset()
    place: str | None = None
    number: int = 0
    assessed: int | None = None
    over: bool = False


class Assessed(BaseModel):
    """An assessment, as far as staffing goes by it.

    Attributes:
        revision: The version of risk's own document, which says what is later.
        first_referred_at: When the response to the episode was first asked for.
        assessed_at: When what was assessed became known.
        roles: Whom its tier names, beside whom the level needs.
    """

    model_config = ConfigDict(frozen=True)

    revision: int
    first_referred_at: datetime
    assessed_at: datetime
    roles: tuple[Role, ...] = ()


class Awaited(Assessed):
    """An assessment whose referral's wishes have not come yet.

    Attributes:
        until: When nothing more is waited for.
    """

    until: datetime


class Wanted(BaseModel):
    """A role that the case needs.

    Attributes:
        since: When the clock for filling it began.
        stage: How far the response is.
        worker_id: Who has accepted it.
        lists: How often the lists of the case have changed, or it was taken back from
            somebody.
        left: From whom it was taken back because they are no longer at work in it, and
            the number of ``lists`` since which it is: whatever was decided by an older
            one has them no longer, and they may take it anew if they are back.
    """

    model_config = ConfigDict(frozen=True)

    allocation_id: str
    level: RiskLevel
    since: datetime
    first_referred_at: datetime
    stage: Stage = Stage.NEW
    worker_id: str | None = None
    lists: int = 0
    left: dict[str, int] = {}

    def taken_back(self, worker_id: str, lists: int) -> bool:
        """Tell whether it was taken back from whoever has it by a number of lists."""
        return lists < self.left.get(worker_id, 0)

    def leave(self, worker_id: str) -> "Wanted":
        """Take it back from somebody; whoever else has accepted it keeps it."""
        lists = self.lists + 1
        has = None if self.worker_id == worker_id else self.worker_id
        left = {**self.left, worker_id: lists}
        update = {"worker_id": has, "lists": lists, "left": left}
        return self.model_copy(update=update)

    def listed(self, lists: Lists) -> "Wanted":
        """Go by other lists: whoever they bar has the role no longer.

        Also one that somebody keeps is decided by them anew: whoever is asked to take
        it over may be barred.
        """
        if self.worker_id is not None and not lists.bar(self.worker_id):
            return self.model_copy(update={"lists": self.lists + 1})
        return self.anew()

    def anew(self) -> "Wanted":
        """Want it of somebody else than whoever has it or is asked."""
        return self.model_copy(update={"worker_id": None, "lists": self.lists + 1})


class Decided(BaseModel):
    """What a meeting decided last of whom a case needs.

    Attributes:
        number: Which decision on the case there.
        roles: Whom the case needs, whatever its level.
        by: Who decided.
    """

    model_config = ConfigDict(frozen=True)

    number: int
    roles: tuple[Role, ...]
    by: str
    at: datetime


class Share(BaseModel):
    """What a merged case has, as its survivor goes by it.

    Attributes:
        lists: Who may have nothing to do with it.
        accepted: Who works on it, by role.
        heard: Its wishes, by referral.
        served_outreach: Who has ever served the person using violence in it.
        served_others: Who has ever served anybody else in it.
        coordinated: Who of these has coordinated it as a whole, and served no side.
        walls: Which compartments serve which side of it.
        besides: Whom meetings want for it.
        people: Whose it is.
    """

    model_config = ConfigDict(frozen=True)

    lists: Lists
    accepted: dict[Role, str]
    heard: dict[str, Heard]
    served_outreach: frozenset[str]
    served_others: frozenset[str]
    coordinated: frozenset[str] = frozenset()
    walls: Walls = Walls()
    besides: tuple[Role, ...] = ()
    people: People = People()


def heard_since(revision: int, heard: Mapping[str, Heard]) -> dict[str, Heard]:
    """Leave out the wishes of referrals that an assessment until then has weighed."""
    return {
        referral_id: each
        for referral_id, each in heard.items()
        if each.assessed is None or each.assessed > revision
    }
