"""What can go wrong around a private stack, in words for the person at the terminal."""


class StackError(Exception):
    """One sentence of what is wrong and one of what to do. Printed without a traceback."""


class NotReady(Exception):
    """A server does not answer yet, or not as it should; the text is its own reason."""
