"""Why somebody was asked, as sentences that a coordinator or the worker can read."""

from collections.abc import Iterable, Mapping

from allocation.domain.choosing import Unmet
from allocation.domain.policy import Wish

SENTENCES: Mapping[str, str] = {
    "gender_met": "The gender is the one that was asked for.",
    "gender_not_met": "Another gender was asked for.",
    "language_met": "A language is spoken that was asked for.",
    "language_not_met": "Another language was asked for.",
    "kaupapa_maori_met": "Work by kaupapa Māori was asked for, and is theirs.",
    "kaupapa_maori_not_met": "Work by kaupapa Māori was asked for.",
    "iwi_met": "They have links with an iwi that was asked for.",
    "iwi_not_met": "Links with another iwi were asked for.",
    "community_met": "They have links with a community that was asked for.",
    "community_not_met": "Links with another community were asked for.",
    "area_met": "The area is one that they serve.",
    "area_not_met": "The area is none that they serve.",
    "lead_agency_met": "They work for the agency that leads.",
    "lead_agency_not_met": "They do not work for the agency that leads.",
    "continuity_met": "They worked with this side of the family before.",
    "skills_met": "They are trained in all that has happened.",
    "skills_not_met": "They are not trained in all that has happened.",
    "least_loaded": "Of all who could be asked, most spoke for them.",
    "chosen_by_a_person": "A person chose them.",
    "placed_together": "All open roles were placed together: this one is theirs.",
}
"""What is said of each reason, by its code."""

WHY_UNMET: Mapping[Unmet, str] = {
    Unmet.OUTWEIGHED: "for whoever meets it, less spoke in all",
    Unmet.DECLINED: "whoever meets it has declined",
    Unmet.SILENT: "whoever meets it has not answered",
    Unmet.NO_ROOM: "whoever meets it has no room",
    Unmet.AWAY: "whoever meets it is away or off duty",
    Unmet.MAY_NOT: "whoever meets it may not be asked in this case",
    Unmet.NOBODY: "nobody in this role meets it",
}
"""Why a wish is not met, to follow on what was asked for."""

DISTANCE = "distance_km_"


def said(reasons: Iterable[str], unmet: Mapping[Wish, Unmet]) -> tuple[str, ...]:
    """Say why somebody was asked, and why each wish is not met that is not.

    Args:
        reasons: Codes, as an offer keeps them. One of another version, which has no
            sentence here, is given as it is.
        unmet: Why nobody was asked who meets a wish.
    """
    sentences = [_sentence(each) for each in reasons]
    for wish, why in unmet.items():
        code = f"{wish}_not_met"
        asked = SENTENCES[code]
        told = f"{asked[:-1]}: {WHY_UNMET[why]}."
        # What is not met is said once, with its reason.
        sentences = [told if each == asked else each for each in sentences]
    return tuple(sentences)


def _sentence(code: str) -> str:
    if code.startswith(DISTANCE):
        km = code.removeprefix(DISTANCE)
        return f"They start {km} km away, as the crow flies."
    return SENTENCES.get(code, code)
