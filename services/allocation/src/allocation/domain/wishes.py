"""What the person harmed asks of whoever is sent to them."""

from collections.abc import Iterable

from accord_contracts import referrals
from accord_contracts.referrals import ContactWish
from pydantic import BaseModel, ConfigDict


class Wishes(BaseModel):
    """The wishes of one referral, or of all referrals of an episode together.

    Attributes:
        not_told: Codes of agencies that are not to be told, if it can be helped.
    """

    model_config = ConfigDict(frozen=True)

    gender: ContactWish = ContactWish.NO_WISH
    languages: tuple[str, ...] = ()
    kaupapa_maori: bool = False
    area: str | None = None
    not_told: tuple[str, ...] = ()
    iwi: tuple[str, ...] = ()
    communities: tuple[str, ...] = ()

    @classmethod
    def of(cls, told: referrals.Wishes) -> "Wishes":
        """Take the wishes that a referral tells."""
        return cls.model_validate(told.model_dump())

    @classmethod
    def together(cls, oldest_first: Iterable["Wishes"]) -> "Wishes":
        """Put wishes together: what is said later counts, what is not said nothing.

        Whom one referral wants not told, none that says nothing of them has told.
        """
        said: dict[str, object] = {}
        not_told = dict[str, None]()
        for each in oldest_first:
            said.update(each.model_dump(exclude_defaults=True))
            not_told |= dict.fromkeys(each.not_told)
        return cls.model_validate({**said, "not_told": tuple(not_told)})


NO_WISHES = Wishes()
