"""A paper as accessible HTML. Everything is escaped, and nothing is fetched."""

from base64 import b64encode
from datetime import datetime
from hashlib import sha256
from importlib.resources import files
from typing import Self

from accord_contracts.papers import Audience
from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from pydantic import BaseModel, ConfigDict

from plans.documents.audience import Addressed
from plans.documents.sheet import Sheet, reference
from plans.documents.wording import Speech

_HERE = files(__package__)
_STYLE = (_HERE / "page.css").read_text("utf-8")
_PAGE = Environment(
    autoescape=True, undefined=StrictUndefined, trim_blocks=True
).from_string((_HERE / "page.html").read_text("utf-8"))

POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'; "
    f"style-src 'sha256-{b64encode(sha256(_STYLE.encode()).digest()).decode()}'"
)
"""Of a paper's HTML nothing runs and nothing is loaded but its own style."""


class Mark(BaseModel):
    """What stands on every page: for whom it is, when it was made, and under what.

    Attributes:
        released: Two people have let it go; otherwise it is to be read on the screen.
    """

    model_config = ConfigDict(frozen=True)

    text: str
    released: bool

    @classmethod
    def reading(cls, reader: str, at: datetime, speech: Speech) -> Self:
        """Mark a copy that a worker reads: whose screen it was on, and when."""
        when = speech.time(at).en
        text = f"Not released · read by {reference(reader)} · {when}"
        return cls(text=text, released=False)

    @classmethod
    def released_to(
        cls, to: Addressed, release_id: str, at: datetime, speech: Speech
    ) -> Self:
        """Mark a copy that leaves."""
        names = {
            Audience.TEAM: "the case's team",
            # Whoever finds it learns nothing of its owner.
            Audience.PERSON: "its owner",
            Audience.OUTREACH: "outreach",
            Audience.AGENCY: speech.say(to.agency or "").en,
        }
        return cls.leaving(names[to.audience], release_id, at, speech)

    @classmethod
    def leaving(cls, name: str, release_id: str, at: datetime, speech: Speech) -> Self:
        """Mark a copy that leaves, for whoever bears a name."""
        text = f"For {name} · {speech.time(at).en} · {reference(release_id)}"
        return cls(text=text, released=True)


def page_of(sheet: Sheet, mark: Mark) -> str:
    """Lay a paper out as HTML."""
    return _PAGE.render(
        sheet=sheet,
        mark=mark,
        # The style is the program's own, and in it nothing is escaped.
        style=Markup(_STYLE),  # noqa: S704  # nosec B704
    )
