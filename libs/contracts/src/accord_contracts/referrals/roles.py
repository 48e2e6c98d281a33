"""Who harmed whom, where a referral names it the other way round."""

from typing import Annotated, ClassVar

from pydantic import AwareDatetime, Field

from accord_contracts.message import Event, Id


class RolesQuestioned(Event):
    """A referral names as using violence whom the same other had harmed before.

    Nothing of it is sent to anybody until somebody has decided who harmed whom, or the
    time for that is over; and until somebody has, nobody new is sent to whoever is said
    to use violence in this case.

    Attributes:
        referral_id: The referral, which waits, unless it has gone out.
        harmed: Whom it names as harmed.
        using_violence: Whom it names as using violence, and who may be who was harmed.
        repeat: As ``referral.received`` will say it.
        decide_by: When it goes out undecided.
        sent: It has gone out already: that it turns round what is known was found
            later, and nothing waits but the decision.
    """

    TYPE: ClassVar[str] = "roles.questioned.v1"

    referral_id: Id
    harmed: Id
    using_violence: Id
    repeat: bool
    questioned_at: AwareDatetime
    decide_by: AwareDatetime
    sent: bool = False


class RolesUndecided(Event):
    """Nobody has decided in time who harmed whom: help is on its way, and they must.

    Attributes:
        late_by: Seconds between the end of the time and when that was noticed.
        harmed: Whom the referral names as harmed; none, in messages from before this
            was told.
        using_violence: Whom it names as using violence; none, as well.
    """

    TYPE: ClassVar[str] = "roles.undecided.v1"

    referral_id: Id
    undecided_at: AwareDatetime
    late_by: Annotated[float, Field(ge=0)]
    harmed: Id | None = None
    using_violence: Id | None = None


class RolesDecided(Event):
    """A person has decided who harmed whom. Whoever rests on it goes by this.

    Attributes:
        harmed: Who was harmed.
        using_violence: By whom.
        corrected: It was told the other way round, and perhaps acted on.
        decided_at: When; of two decisions the later counts.
    """

    TYPE: ClassVar[str] = "roles.decided.v1"

    harmed: Id
    using_violence: Id
    corrected: bool
    decided_at: AwareDatetime
