"""The progress bar, on a terminal and elsewhere."""

import io

from cargosight_inference.progress import Progress, clock


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_shows_on_a_terminal_only_and_only_on_long_work(monkeypatch):
    now = [0.0]
    monkeypatch.setattr("cargosight_inference.progress.monotonic", lambda: now[0])
    terminal, pipe = Terminal(), io.StringIO()
    shown, silent = Progress(40, terminal), Progress(40, pipe)
    for _ in range(10):
        now[0] += 0.05
        shown.advance()
        silent.advance()
    assert terminal.getvalue() == ""  # half a second is not long
    for _ in range(10):
        now[0] += 0.5
        shown.advance()
        silent.advance()
    assert "20 of 40" in terminal.getvalue()
    assert "left" in terminal.getvalue()
    assert pipe.getvalue() == ""
    shown.erase()
    assert terminal.getvalue().endswith("\x1b[K")


def test_the_bar_without_a_total_counts(monkeypatch):
    monkeypatch.setattr("cargosight_inference.progress.monotonic", lambda: 0.0)
    progress = Progress(stream=Terminal())
    progress.advance()
    assert progress.line().startswith("1 scans")
    progress.total = 4
    assert progress.line().startswith("[######------------------] 1 of 4")


def test_a_clock():
    assert clock(3725.4) == "1:02:05"
