"""``python -m ops.crash.load GIFTS``: owe that many gifts to ten members, as fast as it goes."""

import sys

import django

django.setup()

from tests.integration.toy_app.models import Member  # noqa: E402 - needs the settings
from tests.integration.toy_app.services import give  # noqa: E402

MEMBERS = 10


def main() -> None:
    members = [Member.objects.create() for _ in range(MEMBERS)]
    for number in range(int(sys.argv[1])):
        give(members[number % MEMBERS], points=1 + number % 7)


if __name__ == "__main__":
    main()
