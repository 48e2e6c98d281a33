"""How a name is written so that it compares: whatever agencies write alike is one."""

import re
import unicodedata

SEPARATORS = re.compile(r"[\s\-\u2010-\u2015.]+")
APOSTROPHES = re.compile(r"['`\u02bb\u02bc\u2018\u2019]")

# Written for an apostrophe, it would be taken for a space with an accent.
ACUTE = str.maketrans("\u00b4", "'")


def folded(name: str) -> str:
    """Write a name as it compares: no case, no macrons, one space between words."""
    plain = name.translate(ACUTE)
    if not plain.isascii():
        letters = unicodedata.normalize("NFKD", plain)
        plain = "".join(each for each in letters if not unicodedata.combining(each))
    bare = APOSTROPHES.sub("", plain.casefold())
    return SEPARATORS.sub(" ", bare).strip()
