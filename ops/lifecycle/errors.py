"""What the check finds."""


class Broken(AssertionError):
    """A promise was broken. The message tells which one, and what led to it."""
