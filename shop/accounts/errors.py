"""What can go wrong with an account, as facts that a page can explain."""


class AccountError(Exception):
    """Root of the tree. Its message may be shown to a shopper."""


class LinkUnusable(AccountError):
    """The link of a mail is no link of ours, too old, used before, or withdrawn since."""

    def __init__(self) -> None:
        super().__init__(
            "This link cannot be used: it is too old, was used before, or was not copied whole. "
            "Ask for a new one; it comes by mail within a minute."
        )


class AddressTaken(AccountError):
    """The address became another account's after the link was sent."""

    def __init__(self) -> None:
        super().__init__("There is an account with this address by now. Please sign in.")


class AccountGone(AccountError):
    """The account was deleted in the meantime."""

    def __init__(self) -> None:
        super().__init__("This account was deleted. You can shop as a guest, or open a new one.")


class BookFull(AccountError):
    """The address book holds as many entries as it may."""


class TooMany(AccountError):
    """It was tried too often. ``wait_seconds``: after this it may be tried again."""

    def __init__(self, wait_seconds: int) -> None:
        self.wait_seconds = wait_seconds
        minutes = max(1, round(wait_seconds / 60))
        super().__init__(
            f"That was tried very often. Please wait {minutes} minute{'s' * (minutes > 1)} and try "
            "again. Nothing was changed."
        )
