"""What of a merged case's plan stands in its survivor's."""

from accord_contracts.allocation import Role
from accord_contracts.one_person import Link
from pydantic import BaseModel, ConfigDict

from plans.domain.action import Action
from plans.domain.circumstances import Known


class Share(BaseModel):
    """What is planned for a merged case, as it stands in its survivor's plan too.

    Attributes:
        plan_version: Of the merged case's plan; 0: nothing was drafted.
        revision: Of the assessment that it rests on.
        closed: There is none to agree to or to close: it was closed, or not drafted.
        actions: What somebody has taken on, or has done. What nobody owns is the
            survivor's own template to ask for.
        owners: Who has which role in the merged case.
        children: The children of the merged case.
        harmed: Whom it was referred to protect.
        links: Which of its people are one: it may be that it alone was told.
        known: What was told of its circumstances.
    """

    model_config = ConfigDict(frozen=True)

    plan_version: int = 0
    revision: int = 0
    closed: bool = True
    actions: tuple[Action, ...] = ()
    owners: dict[Role, str]
    children: tuple[str, ...] = ()
    harmed: tuple[str, ...] = ()
    links: dict[str, Link] = {}
    known: Known = Known()
