"""The lock inspector: who may look, who may take a lease away, and that it is written down."""

from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from django.conf import LazySettings
from django.contrib.auth.models import Permission, User
from django.db import IntegrityError, transaction
from django.test import Client
from django.urls import reverse

from tasks import admin_locks
from tasks.errors import LeaseBusy, QuorumUnavailable
from tasks.lock_inspection import InspectableBackend
from tasks.locks.chosen import get_backend
from tasks.locks.holder import describe_here
from tasks.locks.plain import lock
from tasks.models import LockRelease
from tasks.tracing import traced

pytestmark = pytest.mark.django_db(transaction=True)

LIVE = "admin:tasks_locks"
RELEASE = "admin:tasks_locks_release"


@dataclass(frozen=True)
class Seen:
    key: str
    nonce: str
    token: int = 1_795_405_763_935_100
    remaining_seconds: float = 7.5
    holder: str = ""
    nodes: tuple[str, ...] = ("127.0.0.1:1", "127.0.0.1:2")
    waiting: int = 3


class Board:
    """A backend that lists what a test puts on it."""

    def __init__(self) -> None:
        self.seen: list[Seen] = []
        self.trouble: Exception | None = None

    def leases(self) -> list[Seen]:
        if self.trouble is not None:
            raise self.trouble
        return self.seen

    def force_release(self, key: str, nonce: str) -> bool:
        kept = [lease for lease in self.seen if (lease.key, lease.nonce) != (key, nonce)]
        found = len(kept) < len(self.seen)
        self.seen = kept
        return found


class BlindBackend:
    """Cannot list."""


@pytest.fixture(autouse=True)
def _plain_files(settings: LazySettings, tmp_path: Path) -> None:
    # No collectstatic is needed here: files go by their plain names.
    settings.STATIC_ROOT = tmp_path
    settings.STORAGES = {
        **settings.STORAGES,
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }


@pytest.fixture
def board(monkeypatch: pytest.MonkeyPatch) -> Board:
    board = Board()
    with traced("t-1", task="orders.capture_payment", subject="order:42"):
        board.seen = [Seen("order:42", "n1", holder=describe_here("task-7")), Seen("mail:1", "n2")]
    monkeypatch.setattr(admin_locks, "get_backend", lambda: board)
    return board


def sign_in(client: Client, *permissions: str) -> User:
    user = User.objects.create_user("sam", password=None, is_staff=True)
    user.user_permissions.set(Permission.objects.filter(codename__in=permissions))
    client.force_login(user)
    return user


def ask(client: Client, lease: Seen, reason: str = "its host burnt down") -> int:
    given = {"key": lease.key, "nonce": lease.nonce, "reason": reason}
    return client.post(reverse(RELEASE), given).status_code


def test_live_leases_are_shown_with_all_that_is_known(board: Board, client: Client) -> None:
    sign_in(client, "view_lockrelease")
    page = client.get(reverse(LIVE)).content.decode()
    for text in ("order:42", "orders.capture_payment", "task-7", "7.5 s", "1795405763935100"):
        assert text in page
    assert "mail:1" in page
    assert "Take away" not in page


def test_leases_can_be_searched(board: Board, client: Client) -> None:
    sign_in(client, "view_lockrelease")
    page = client.get(reverse(LIVE), {"q": "task-7"}).content.decode()
    assert "order:42" in page
    assert "mail:1" not in page
    assert "No lease held now" in client.get(reverse(LIVE), {"q": "<b>"}).content.decode()


def test_a_key_with_markup_in_it_is_harmless(board: Board, client: Client) -> None:
    board.seen = [Seen("x:<script>alert(1)</script>", "n3", holder="<img>")]
    sign_in(client, "view_lockrelease", "force_release_lock")
    page = client.get(reverse(LIVE)).content.decode()
    assert "<script>alert" not in page
    assert "<img>" not in page


def test_strangers_and_staff_without_the_right_see_nothing(board: Board, client: Client) -> None:
    assert client.get(reverse(LIVE)).status_code == 302
    sign_in(client)
    assert client.get(reverse(LIVE)).status_code == 403
    assert client.get(reverse(RELEASE), {"key": "order:42", "nonce": "n1"}).status_code == 403
    assert ask(client, board.seen[0]) == 403
    assert len(board.seen) == 2


def test_looking_is_not_releasing(board: Board, client: Client) -> None:
    sign_in(client, "view_lockrelease", "force_release_lock")
    answer = client.get(reverse(RELEASE), {"key": "order:42", "nonce": "n1"})
    assert "Take it away" in answer.content.decode()
    assert len(board.seen) == 2
    assert not LockRelease.objects.exists()


def test_a_lease_taken_away_is_written_down_with_who_when_and_why(
    board: Board, client: Client
) -> None:
    sign_in(client, "view_lockrelease", "force_release_lock")
    lease = board.seen[0]
    assert ask(client, lease) == 302
    assert [seen.key for seen in board.seen] == ["mail:1"]
    released, asked = LockRelease.objects.all()
    assert (asked.event, released.event) == ("asked", "released")
    assert (asked.by, asked.key, asked.nonce, asked.token) == (
        "sam", lease.key, lease.nonce, lease.token,
    )  # fmt: skip
    assert asked.reason == "its host burnt down"
    assert "task-7" in asked.holder
    assert asked.at is not None


@pytest.mark.parametrize("reason", ["", "    ", "abc", "x" * 301])
def test_no_reason_no_release(board: Board, client: Client, reason: str) -> None:
    sign_in(client, "view_lockrelease", "force_release_lock")
    assert ask(client, board.seen[0], reason) == 200
    assert len(board.seen) == 2
    assert not LockRelease.objects.exists()


def test_a_newer_holder_of_the_same_key_is_never_hit(board: Board, client: Client) -> None:
    sign_in(client, "view_lockrelease", "force_release_lock")
    old = board.seen[0]
    board.seen[0] = replace(old, nonce="somebody else")
    assert ask(client, old) == 302
    assert len(board.seen) == 2
    assert not LockRelease.objects.exists()


def test_the_form_needs_its_secret(board: Board) -> None:
    strict = Client(enforce_csrf_checks=True)
    sign_in(strict, "view_lockrelease", "force_release_lock")
    assert ask(strict, board.seen[0]) == 403
    assert len(board.seen) == 2


def test_trouble_of_the_nodes_is_shown_and_no_error_page(board: Board, client: Client) -> None:
    board.trouble = QuorumUnavailable("Only 1 of 3 lock nodes could vote in time.")
    sign_in(client, "view_lockrelease", "force_release_lock")
    assert "Only 1 of 3" in client.get(reverse(LIVE)).content.decode()
    assert ask(client, board.seen[0]) == 302


def test_a_backend_that_cannot_list_is_told_plainly(
    monkeypatch: pytest.MonkeyPatch, client: Client
) -> None:
    monkeypatch.setattr(admin_locks, "get_backend", BlindBackend)
    sign_in(client, "view_lockrelease", "force_release_lock")
    assert "BlindBackend cannot list its leases" in client.get(reverse(LIVE)).content.decode()
    assert ask(client, Seen("order:42", "n1")) == 302
    assert not LockRelease.objects.exists()


@pytest.mark.parametrize("change", ["update", "delete"])
def test_the_log_cannot_be_rewritten(board: Board, client: Client, change: str) -> None:
    sign_in(client, "view_lockrelease", "force_release_lock")
    ask(client, board.seen[0])
    rows = LockRelease.objects.all()
    with pytest.raises(IntegrityError, match="append-only"), transaction.atomic():
        rows.update(reason="nothing to see") if change == "update" else rows.delete()
    assert LockRelease.objects.count() == 2


def test_the_log_is_on_a_page_that_changes_nothing(board: Board, client: Client) -> None:
    sign_in(client, "view_lockrelease", "force_release_lock", "change_lockrelease")
    ask(client, board.seen[0])
    page = client.get(reverse("admin:tasks_lockrelease_changelist")).content.decode()
    assert "its host burnt down" in page
    assert client.get(reverse("admin:tasks_lockrelease_add")).status_code == 403


def test_a_real_lease_is_seen_and_taken_from_its_holder(client: Client) -> None:
    backend = get_backend()
    if not isinstance(backend, InspectableBackend):
        pytest.skip("the backend in use cannot list")
    sign_in(client, "view_lockrelease", "force_release_lock")
    with lock("inspected:1", ttl=5) as held:
        assert "inspected:1" in client.get(reverse(LIVE)).content.decode()
        (lease,) = [seen for seen in backend.leases() if seen.key == "inspected:1"]
        assert ask(client, Seen(lease.key, lease.nonce)) == 302
        with lock("inspected:1", ttl=5) as newer:
            assert newer.token > held.token
            held.renew()
            assert held.lost.is_set()
            with pytest.raises(LeaseBusy):
                backend.acquire("inspected:1", ttl=5)
