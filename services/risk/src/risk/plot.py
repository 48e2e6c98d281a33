"""The validity of levels as a picture: how many were referred again, level by level."""

from collections.abc import Iterator, Sequence

from risk.domain.validity import Interval, Validity

WIDTH, ROW, LEFT, RIGHT, TOP = 640, 24, 250, 150, 60
"""Of the picture, in its own units."""

SHADES = {
    "low": "#7fa99b",
    "medium": "#c9a227",
    "high": "#c46210",
    "extreme": "#8b1e3f",
}

NOTHING = "<text x='8' y='80'>Too little data to say anything.</text>"


def svg(found: Sequence[Validity], days: int) -> str:
    """Draw each group's rates with their intervals, and its AUC beside it.

    Nothing comes from outside into the text: groups are codes of the locality's file.
    """
    title = f"Referred again within {days} days, by level held"
    told = "Share, 95% interval. A good response lowers it too. Small cells left out."
    height = TOP + ROW * (sum(1 + len(each.bands) for each in found) + 2)
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}'",
            " font-family='sans-serif' font-size='12' role='img'>",
            f"<title>{title}</title>",
            f"<text x='8' y='20' font-size='15'>{title}</text>",
            f"<text x='8' y='40' fill='#555'>{told}</text>",
            *([*_rows(found)] or [NOTHING]),
            "</svg>",
        ]
    )


def _rows(found: Sequence[Validity]) -> Iterator[str]:
    y = TOP + ROW
    for each in found:
        name = "all" if each.group[0] == "all" else ": ".join(each.group)
        yield f"<text x='8' y='{y}' font-weight='bold'>{name}</text>"
        yield f"<text x='{LEFT}' y='{y}'>{_said(each)}</text>"
        for band in each.bands:
            y += ROW
            cases = "too few" if band.cases is None else f"{band.cases} cases"
            yield f"<text x='24' y='{y}'>{band.level.value}, {cases}</text>"
            if band.rate:
                yield _bar(band.rate, y, SHADES[band.level.value])
        y += ROW


def _said(each: Validity) -> str:
    if each.cases is None:
        return "too few to tell"
    if each.auc is None:
        return f"{each.cases} cases, {each.repeats} again: too little to say"
    return (
        f"{each.cases} cases, AUC {each.auc.value:.2f} "
        f"({each.auc.low:.2f} to {each.auc.high:.2f}); chance is 0.50"
    )


def _bar(rate: Interval, y: int, shade: str) -> str:
    scale = WIDTH - LEFT - RIGHT
    low, middle, high = (
        LEFT + scale * each for each in (rate.low, rate.value, rate.high)
    )
    return (
        f"<line x1='{low:.1f}' x2='{high:.1f}' y1='{y - 4}' y2='{y - 4}' "
        f"stroke='{shade}' stroke-width='3'/>"
        f"<circle cx='{middle:.1f}' cy='{y - 4}' r='5' fill='{shade}'/>"
        f"<text x='{WIDTH - RIGHT + 8}' y='{y}'>{rate.value:.0%} "
        f"({rate.low:.0%} to {rate.high:.0%})</text>"
    )
