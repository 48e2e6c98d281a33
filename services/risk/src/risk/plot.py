"""The validity of levels as a picture: how many were referred again, level by level."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial

from risk.domain.instrument_validity import Used
from risk.domain.validity import Band, Interval, Validity

WIDTH, ROW, LEFT, RIGHT, TOP = 640, 24, 250, 150, 60
"""Of the picture, in its own units."""

SHADES = {
    "low": "#7fa99b",
    "medium": "#c9a227",
    "high": "#c46210",
    "extreme": "#8b1e3f",
}

SHADE = "#4a6fa5"
"""Of an instrument's bands, which are no levels."""

NO_INSTRUMENTS: Mapping[Used, Sequence[Validity]] = {}

NOTHING = "<text x='8' y='80'>Too little data to say anything.</text>"


def svg(
    found: Sequence[Validity],
    days: int,
    instruments: Mapping[Used, Sequence[Validity]] = NO_INSTRUMENTS,
) -> str:
    """Draw each group's rates with their intervals, and its AUC beside it.

    By level, and below by the band of each instrument.

    Nothing comes from outside into the text: groups are codes of the locality's file.
    """
    title = f"Referred again within {days} days, by level held, and by instrument"
    told = "Share, 95% interval. A good response lowers it too. Small cells left out."
    parts = [("", found), *((_titled(e), its) for e, its in instruments.items())]
    rows = [row for title, its in parts for row in _part(title, its)]
    height = TOP + ROW * (len(rows) + 2)
    return "\n".join(
        [
            f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}'",
            " font-family='sans-serif' font-size='12' role='img'>",
            f"<title>{title}</title>",
            f"<text x='8' y='20' font-size='15'>{title}</text>",
            f"<text x='8' y='40' fill='#555'>{told}</text>",
            *[row(TOP + ROW * (n + 1)) for n, row in enumerate(rows)],
            *([] if rows else [NOTHING]),
            "</svg>",
        ]
    )


Row = Callable[[int], str]
"""Draws what stands in one line, at its height."""


def _titled(used: Used) -> str:
    return f"{used.instrument}, {used.version}"


def _part(title: str, found: Sequence[Validity]) -> Iterator[Row]:
    if title:
        yield partial(_text, 8, title, " font-size='15'")
    for each in found:
        yield partial(_group, each)
        for band in each.bands:
            yield partial(_band, band)


def _text(x: int, said: str, style: str, y: int) -> str:
    return f"<text x='{x}' y='{y}'{style}>{said}</text>"


def _group(each: Validity, y: int) -> str:
    name = "all" if each.group[0] == "all" else ": ".join(each.group)
    bold = _text(8, name, " font-weight='bold'", y)
    return bold + _text(LEFT, _said(each), "", y)


def _band(band: Band, y: int) -> str:
    cases = "too few" if band.cases is None else f"{band.cases} cases"
    said = _text(24, f"{band.level}, {cases}", "", y)
    shade = SHADES.get(band.level, SHADE)
    return said + (_bar(band.rate, y, shade) if band.rate else "")


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
