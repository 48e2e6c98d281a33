"""The page behind a link in an e-mail: what one may say there, and nothing to read.

It is the same whatever link it stands behind. It runs no script, loads nothing, and
holds no word of a message.
"""

from base64 import b64encode
from collections.abc import Iterable
from enum import StrEnum
from hashlib import sha256
from html import escape
from typing import Annotated, Self
from urllib.parse import parse_qsl

from accord_contracts.allocation import DeclineReason
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from notify.domain.texts import Part, says_this_alone

Sentence = Annotated[
    str, Field(min_length=1, max_length=200), AfterValidator(says_this_alone)
]


class Verb(StrEnum):
    """What one may say by a link."""

    KNOWN = "known"
    CANNOT_TAKE = "cannot_take"
    HAND_OVER = "hand_over"


class Colleague(StrEnum):
    """Whom it may be handed over to: nobody is named, the directory knows who it is."""

    DEPUTY = "deputy"
    TEAM_LEAD = "team_lead"


class PageText(Part):
    """What the page says, in one language.

    Attributes:
        title: Of what can be pressed, and beneath it that nothing is shown.
        known: The button by which one says that one knows.
        cannot_take: The button by which one says that one cannot take it.
        reason: Beside the list of reasons; and each of those.
        hand_over: The button by which it is handed over.
        to: Beside the list of whom to; and each of those.
        done: Once it is noted.
        not_done: Where it is not, whatever stands in the way.
        later: Where it cannot be at present.
    """

    title: Sentence
    nothing_shown: Sentence
    known: Sentence
    cannot_take: Sentence
    reason: Sentence
    reasons: dict[DeclineReason, Sentence]
    hand_over: Sentence
    to: Sentence
    colleagues: dict[Colleague, Sentence]
    done: Sentence
    not_done: Sentence
    later: Sentence

    @model_validator(mode="after")
    def _names_each(self) -> Self:
        for listed, names in (
            (DeclineReason, self.reasons),
            (Colleague, self.colleagues),
        ):
            if missing := sorted(set(listed) - set(names)):
                raise ValueError(f"{', '.join(missing)} has no words")
        return self


class NothingChosen(ValueError):
    """What was sent is none of what the page offers."""


class Chosen(BaseModel):
    """What somebody has pressed, and chosen with it."""

    model_config = ConfigDict(frozen=True)

    verb: Verb
    reason: DeclineReason | None = None
    to: Colleague | None = None

    @classmethod
    def read(cls, body: bytes) -> Self:
        """Read what a browser sends.

        Raises:
            NothingChosen: It is none of what the page offers.
        """
        try:
            told = dict(parse_qsl(body.decode("ascii"), max_num_fields=8))
            chosen = cls.model_validate({k: v for k, v in told.items() if v})
        except ValueError:
            # Without what was sent: it may be anything.
            raise NothingChosen from None
        needed = {Verb.CANNOT_TAKE: chosen.reason, Verb.HAND_OVER: chosen.to}
        if needed.get(chosen.verb, chosen.verb) is None:
            raise NothingChosen
        return chosen


STYLE = """
:root{color-scheme:light dark}
body{font:1.125rem/1.5 system-ui,sans-serif;margin:0 auto;max-width:34rem;
padding:1.5rem}
form{margin:2rem 0}
label{display:block;font-weight:600;margin-bottom:.25rem}
button,select{border:2px solid;border-radius:.25rem;box-sizing:border-box;font:inherit;
min-height:3rem;padding:.5rem 1rem;width:100%}
button{background:#0b4f6c;border-color:#0b4f6c;color:#fff;font-weight:600;margin-top:.5rem}
:focus-visible{outline:3px solid #b35900;outline-offset:3px}
"""

POLICY = (
    "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    f"style-src 'sha256-{b64encode(sha256(STYLE.encode()).digest()).decode()}'"
)
"""Nothing runs, and nothing is loaded but its own style; what is pressed goes back."""


def asking(text: PageText, language: str) -> str:
    """Give the page by which somebody may answer."""
    return _page(
        language,
        text.title,
        f"<p>{escape(text.nothing_shown)}</p>",
        _form(Verb.KNOWN, text.known),
        _form(
            Verb.CANNOT_TAKE,
            text.cannot_take,
            _list("reason", text.reason, text.reasons.items()),
        ),
        _form(
            Verb.HAND_OVER,
            text.hand_over,
            _list("to", text.to, text.colleagues.items()),
        ),
    )


def saying(sentence: str, language: str) -> str:
    """Give the page that says what came of it."""
    return _page(language, sentence)


def _page(language: str, title: str, *parts: str) -> str:
    return (
        f'<!DOCTYPE html>\n<html lang="{escape(language)}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="robots" content="noindex">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}</style>\n"
        f"<main>\n<h1>{escape(title)}</h1>\n"
        + "\n".join(parts)
        + "\n</main>\n</html>\n"
    )


def _form(verb: Verb, button: str, *fields: str) -> str:
    # With no address of its own it goes where the page came from, behind any prefix.
    inside = "".join(fields)
    return (
        f'<form method="post">{inside}'
        f'<button name="verb" value="{verb}">{escape(button)}</button></form>'
    )


def _list(name: str, label: str, choices: Iterable[tuple[StrEnum, str]]) -> str:
    options = "".join(
        f'<option value="{value}">{escape(words)}</option>' for value, words in choices
    )
    return (
        f'<label for="{name}">{escape(label)}</label>'
        f'<select id="{name}" name="{name}" required><option value=""></option>'
        f"{options}</select>"
    )
