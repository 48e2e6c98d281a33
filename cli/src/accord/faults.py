"""What stops a command: told as a sentence, with what mends it."""


class CannotGoOn(Exception):
    """A command cannot do what it was asked to.

    Args:
        cause: Why, in one sentence that names no secret.
        mend: What to do about it: a command, mostly.
    """

    def __init__(self, cause: str, *, mend: str = "") -> None:
        super().__init__(cause)
        self.cause = cause
        self.mend = mend

    def __str__(self) -> str:
        """Tell both."""
        return f"{self.cause} {self.mend}".strip()
