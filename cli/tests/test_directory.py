"""The directory as files: what is said of one that was refused."""

import pytest
from accord.client import Answer
from accord.directory import mending


@pytest.mark.parametrize(
    ("status", "said"),
    [(415, "Nothing"), (422, "Nothing"), (409, "Send"), (503, "Send"), (500, "Send")],
)
def test_that_nothing_was_taken_is_said_only_where_that_is_known(
    status: int, said: str
) -> None:
    assert mending(Answer(status, {}, b"")).startswith(said)
