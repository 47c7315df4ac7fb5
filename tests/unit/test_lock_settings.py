"""The settings name one lock backend, and say what is wrong with the others."""

import runpy
from collections.abc import Iterator

import pytest
from django.conf import LazySettings
from django.core.exceptions import ImproperlyConfigured

from ops.stack.layout import CHECKOUT
from tasks.locks.chosen import forget_backend, get_backend

_ZOOKEEPER = {"LOCK_BACKEND": "zookeeper", "ZOOKEEPER_HOSTS": "zk1:2181,zk2:2181"}


@pytest.fixture(autouse=True)
def chosen_anew() -> Iterator[None]:
    forget_backend()
    yield
    forget_backend()


def _read(given: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> dict[str, object]:
    """What config/settings.py makes of the environment."""
    for name, value in given.items():
        monkeypatch.setenv(name, value)
    return runpy.run_path(str(CHECKOUT / "config" / "settings.py"))


@pytest.mark.parametrize(
    ("given", "backend"),
    [
        ({}, "Redlock"),
        ({"LOCK_BACKEND": "postgres", "LOCK_REDIS_URLS": ""}, "DatabaseLocks"),
        (_ZOOKEEPER, "ZooKeeperLocks"),
        ({"LOCK_FALLBACK": "postgres"}, "FallbackLocks"),
    ],
)
def test_the_setting_chooses_the_backend(
    given: dict[str, str],
    backend: str,
    monkeypatch: pytest.MonkeyPatch,
    settings: LazySettings,
) -> None:
    for name, value in _read(given, monkeypatch).items():
        if name.startswith(("LOCK_", "ZOOKEEPER_")):
            setattr(settings, name, value)
    assert type(get_backend()).__name__ == backend
    assert get_backend() is get_backend()


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"LOCK_BACKEND": "etcd"}, "write redlock or postgres or zookeeper"),
        ({"LOCK_BACKEND": "zookeeper"}, "ZOOKEEPER_HOSTS is not set"),
        ({"LOCK_BACKEND": "zookeeper", "ZOOKEEPER_HOSTS": "zk1"}, "is not host:port"),
        ({"LOCK_REDIS_URLS": ""}, "LOCK_REDIS_URLS is not set"),
        ({"LOCK_FALLBACK": "redis"}, "LOCK_FALLBACK='redis' is not known"),
        ({"LOCK_FALLBACK": "postgres", "LOCK_BACKEND": "postgres"}, "Leave LOCK_FALLBACK empty"),
        ({"LOCK_FALLBACK_AFTER_SECONDS": "-1"}, "must lie between 0 and 300"),
        ({"LOCK_STORE_TIMEOUT_SECONDS": "0"}, "must lie between 0.05 and 10"),
    ],
)
def test_wrong_settings_are_refused_at_start(
    given: dict[str, str], complaint: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(ImproperlyConfigured, match=complaint):
        _read(given, monkeypatch)
