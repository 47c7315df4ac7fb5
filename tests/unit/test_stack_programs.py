"""What a person reads when server programs are missing."""

from pathlib import Path

import pytest

from ops.stack import programs
from ops.stack.errors import StackError


@pytest.fixture
def bare_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing installed, and not root."""
    empty = {name: _nowhere(program) for name, program in programs.PROGRAMS.items()}
    monkeypatch.setattr(programs, "PROGRAMS", empty)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 1000)


def _nowhere(program: programs.Program) -> programs.Program:
    return programs.Program(program.name, program.package, program.commands, (), program.variables)


@pytest.mark.usefixtures("bare_machine")
def test_the_message_names_what_is_missing_and_three_ways_on() -> None:
    with pytest.raises(StackError) as caught:
        programs.ensure(["PostgreSQL", "Redis"], print)
    text = str(caught.value)
    assert "PostgreSQL, Redis" in text
    assert "apt-get install --no-install-recommends postgresql redis-server" in text
    assert "DATABASE_URL" in text
    assert "CACHE_URL" in text
    assert "BROKER_URL" not in text
    assert "docker compose up" in text


@pytest.mark.usefixtures("bare_machine")
def test_the_message_fits_one_screen() -> None:
    text = programs.missing_message(programs.PROGRAMS)
    assert len(text.splitlines()) <= 24
    assert max(map(len, text.splitlines())) <= 100


def test_the_newest_of_several_versions_is_taken(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for version in ("9.6", "15", "17"):
        folder = tmp_path / version / "bin"
        folder.mkdir(parents=True)
        (folder / "serve").touch(mode=0o755)
    program = programs.Program("Server", "server", ("serve",), (f"{tmp_path}/*/bin",))
    monkeypatch.setitem(programs.PROGRAMS, "Server", program)
    assert programs.command("Server") == tmp_path / "17" / "bin" / "serve"


def test_programs_of_one_server_come_from_one_folder(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for version, names in {"15": ("serve", "prepare"), "17": ("serve",)}.items():
        (tmp_path / version).mkdir()
        for name in names:
            (tmp_path / version / name).touch(mode=0o755)
    program = programs.Program("Server", "server", ("serve", "prepare"), (f"{tmp_path}/*",))
    monkeypatch.setitem(programs.PROGRAMS, "Server", program)
    assert programs.command("Server", "serve").parent.name == "15"
