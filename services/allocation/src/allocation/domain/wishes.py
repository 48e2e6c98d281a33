"""What the person harmed asks of whoever is sent to them."""

from collections.abc import Iterable

from accord_contracts import referrals
from accord_contracts.referrals import ContactWish
from pydantic import BaseModel, ConfigDict


class Wishes(BaseModel):
    """The wishes of one referral, or of all referrals of an episode together."""

    model_config = ConfigDict(frozen=True)

    gender: ContactWish = ContactWish.NO_WISH
    languages: tuple[str, ...] = ()
    kaupapa_maori: bool = False
    area: str | None = None

    @classmethod
    def of(cls, told: referrals.Wishes) -> "Wishes":
        """Take the wishes that a referral tells."""
        return cls.model_validate(told.model_dump())

    @classmethod
    def together(cls, oldest_first: Iterable["Wishes"]) -> "Wishes":
        """Put wishes together: what is said later counts, what is not said nothing."""
        said: dict[str, object] = {}
        for each in oldest_first:
            said.update(each.model_dump(exclude_defaults=True))
        return cls.model_validate(said)
