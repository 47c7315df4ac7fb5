"""Where the processes of a stack put their numbers together."""

from pathlib import Path

from ops.stack.layout import Layout


def test_numbers_of_the_last_time_are_wiped_at_start(tmp_path: Path) -> None:
    layout = Layout(tmp_path / "stacks" / "test")
    layout.create()
    (layout.metrics / "counter_1.db").touch()
    layout.create()
    assert list(layout.metrics.iterdir()) == []
    assert layout.metrics.stat().st_mode & 0o077 == 0
