import multiprocessing
import time
from pathlib import Path

import pytest

from cargosight_training.trainer.journal import COLUMNS, Journal, read_rows, write_rows

VALUES = {"size": 64, "lr": 0.001, "loss": 1.23456789, "classes": 1.0, "boxes": 0.25, "positives": 12.0}


def journal(folder: Path, *, first: int = 0, cpu_hours: float = 0.0, tensorboard: bool = False) -> Journal:
    return Journal(folder, total=100, first=first, batch=4, tensorboard=tensorboard, cpu_hours=cpu_hours)


def steps(folder: Path) -> list[int]:
    return [int(row["step"]) for row in read_rows(folder / "log.csv")]


def test_rows_are_read_back(tmp_path: Path) -> None:
    journal(tmp_path).row(9, VALUES)
    (row,) = read_rows(tmp_path / "log.csv")
    assert tuple(row) == COLUMNS
    assert (row["step"], row["loss"], row["size"]) == ("9", "1.23457", "64")


def test_a_resumed_run_drops_what_it_does_again(tmp_path: Path) -> None:
    first = journal(tmp_path)
    for step in (9, 19, 29):
        first.row(step, VALUES)
    assert steps(tmp_path) == [9, 19, 29]
    journal(tmp_path, first=20)
    assert steps(tmp_path) == [9, 19]


@pytest.mark.parametrize("cut", ["2", "29,64", "29,64,0.001,1.2,1,0.2,12,3.0,0.00", "\x00\x00\x00", ""])
def test_a_row_that_a_crash_cut_short_is_left_out(tmp_path: Path, cut: str) -> None:
    journal(tmp_path).row(9, VALUES)
    with (tmp_path / "log.csv").open("a") as file:
        file.write(cut)
    journal(tmp_path, first=50)
    assert steps(tmp_path) == [9]


def test_rewriting_a_file_leaves_the_old_or_the_new_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "log.csv"
    write_rows(path, ("step", "a"), [{"step": "1", "a": "x"}])

    def killed(*_args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        write_rows(path, ("step", "a"), [])
    assert read_rows(path) == [{"step": "1", "a": "x"}]


def test_there_need_be_no_file(tmp_path: Path) -> None:
    assert read_rows(tmp_path / "none.csv") == []


def test_the_line_says_how_far_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    journal(tmp_path).row(49, VALUES)
    said = capsys.readouterr().err
    assert "step 50/100" in said
    assert "loss 1.235" in said
    assert "left" in said
    assert said.count("█") == 10


def _burn(seconds: float) -> float:
    until, value = time.process_time() + seconds, 0.0
    while time.process_time() < until:
        value += 1.0
    return value


def _work(done: object, go_on: object) -> None:
    _burn(0.2)
    done.set()  # type: ignore[attr-defined]
    go_on.wait(10)  # type: ignore[attr-defined]


def test_cpu_time_of_running_children_counts(tmp_path: Path) -> None:
    book = journal(tmp_path, cpu_hours=1.0)
    context = multiprocessing.get_context("fork")
    done, go_on = context.Event(), context.Event()
    child = context.Process(target=_work, args=(done, go_on))
    child.start()
    assert done.wait(20)
    running = book.cpu_hours
    go_on.set()
    child.join()
    assert 1.0 + 0.15 / 3600 < running < 1.0 + 2.0 / 3600
    assert book.cpu_hours >= running - 0.02 / 3600  # and once it has ended, no less


def test_time_set_aside_does_not_count(tmp_path: Path) -> None:
    book = journal(tmp_path)
    before = book.cpu_hours
    with book.aside():
        _burn(0.2)
    assert (book.cpu_hours - before) * 3600 < 0.1


def test_tensorboard_files_are_written_where_asked_for(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    book = journal(tmp_path, tensorboard=True)
    book.row(9, VALUES)
    book.close()
    assert list((tmp_path / "tensorboard").glob("events.*"))
