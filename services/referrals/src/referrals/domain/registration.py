"""Whether an agency may be told under the Family Violence Act 2018, s 20."""

from datetime import datetime

from referrals.domain.agency import Agency


def registered_under_s19(agency: Agency, at: datetime) -> bool:
    """Tell whether an agency is one of those that s 19 names, at a time.

    That it is a family violence agency or a social services practitioner is an entry of
    the register with dates. Any other may be told under information privacy principle
    11 alone.
    """
    return agency.told.standing(at) is not None and agency.may_refer(at)
