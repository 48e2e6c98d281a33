"""Answers to questions about risk, and how those of several agencies go together."""

from accord_contracts.referrals import Answer

ANSWERED = frozenset({Answer.YES, Answer.NO})

WEIGHT = {Answer.YES: 3, Answer.NO: 2, Answer.REFUSED: 1, Answer.UNKNOWN: 1}


def merged(known: dict[str, Answer], added: dict[str, Answer]) -> dict[str, Answer]:
    """Put answers together: a yes stays a yes, and an answer beats none.

    Two agencies may answer the same question differently; the one who heard a yes has
    a piece of the picture that the other lacks.
    """
    result = dict(known)
    for question, answer in added.items():
        held = result.get(question, Answer.NOT_ASKED)
        if WEIGHT.get(answer, 0) >= WEIGHT.get(held, 0):
            result[question] = answer
    return result


def added(known: dict[str, Answer], told: dict[str, Answer]) -> dict[str, Answer]:
    """Give those answers by which more is known than before."""
    new = merged(known, told)
    return {each: told[each] for each in told if new[each] is not known.get(each)}
