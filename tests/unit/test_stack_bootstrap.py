"""The first steps of ./dev, before any package is there."""

from pathlib import Path

import pytest

from ops.stack import bootstrap


@pytest.fixture
def checkout(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    for name in bootstrap.REQUIREMENTS:
        (tmp_path / name).write_text("package==1\n", encoding="utf-8")
    monkeypatch.setattr(bootstrap, "CHECKOUT", tmp_path)
    monkeypatch.setattr(bootstrap, "STAMP", tmp_path / "stamp")
    return tmp_path


@pytest.mark.parametrize("name", bootstrap.REQUIREMENTS)
def test_a_change_of_any_requirement_file_means_another_installation(
    checkout: Path, name: str
) -> None:
    before = bootstrap.fingerprint()
    (checkout / name).write_text("package==2\n", encoding="utf-8")
    assert bootstrap.fingerprint() != before


def test_an_installation_that_never_ended_is_not_current(checkout: Path) -> None:
    assert not (checkout / "stamp").exists()
    assert not bootstrap.is_current()


def test_an_installation_of_other_requirements_is_not_current(checkout: Path) -> None:
    (checkout / "stamp").write_text("of old", encoding="utf-8")
    assert not bootstrap.is_current()


def test_a_python_without_venv_is_told_which_package_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match=r"apt-get install python3\.\d+-venv"):
        bootstrap.add_venv_module()


def test_a_failed_step_shows_its_own_words() -> None:
    with pytest.raises(SystemExit, match=r"(?s)no such thing.*The step failed with exit code 3"):
        bootstrap.run(["sh", "-c", "echo no such thing; exit 3"], "The step")
