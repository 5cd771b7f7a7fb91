"""Series of simulated scans that were killed: refused, or gone on with to the same files."""

import argparse
import json
from pathlib import Path

import numpy as np
import pytest

from cargosight_inference.scans.attenuation import STEEL
from cargosight_inference.scans.projection import Signature
from cargosight_models.errors import UsageError
from cargosight_training.commands import simulate
from cargosight_training.simulation.baggage import BagSettings
from cargosight_training.simulation.cargo import ContainerSettings
from cargosight_training.simulation.cargo.writing import write_containers
from cargosight_training.simulation.series import JOURNAL
from cargosight_training.simulation.writing import write_bags

BAGS = BagSettings(size=(160, 120))


class KilledError(Exception):
    """As a signal would end it, between two scans."""


def killer(after: int):
    made: list[None] = []

    def done() -> None:
        made.append(None)
        if len(made) == after:
            raise KilledError

    return done


def bags(out: Path, count: int = 4, seed: int = 3, **more) -> None:
    write_bags(out, count=count, seed=seed, settings=BAGS, **more)


def bar(rng: np.random.Generator, pitch: float) -> Signature:
    return Signature("bar", {STEEL: np.full((6, 20), 30.0, np.float32)}, pitch)


def containers(out: Path, **more) -> None:
    settings = ContainerSettings(pitch_mm=(16.0, 18.0), threat_share=1.0, vehicles=("uld", "container 20"))
    write_containers(
        out, count=4, seed=3, settings=settings, threats={"gun": bar}, lookalikes={"drill": bar}, **more
    )


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("write", [bags, containers])
def test_a_killed_series_goes_on_to_the_same_files(tmp_path: Path, write) -> None:
    write(tmp_path / "whole")
    with pytest.raises(KilledError):
        write(tmp_path / "killed", done=killer(2))
    with pytest.raises(UsageError, match=r"interrupted series of 2 .* --resume"):
        write(tmp_path / "killed")
    first = sorted((tmp_path / "killed" / "images").iterdir())[0]
    before = first.stat().st_mtime_ns
    done: list[None] = []
    write(tmp_path / "killed", resume=True, done=lambda: done.append(None))
    assert len(done) == 4
    assert first.stat().st_mtime_ns == before  # what was whole is not made again
    assert files(tmp_path / "killed") == files(tmp_path / "whole")
    with pytest.raises(UsageError, match="exists already"):
        write(tmp_path / "killed", resume=True)


def test_what_was_half_written_does_not_count(tmp_path: Path) -> None:
    bags(tmp_path / "whole")
    killed = tmp_path / "killed"
    with pytest.raises(KilledError):
        bags(killed, done=killer(3))
    lines = (killed / JOURNAL).read_text().splitlines(keepends=True)
    (killed / JOURNAL).write_text("".join(lines[:-1]) + lines[-1][:20])  # the last line is cut off
    (killed / "images" / "00001.png").unlink()
    (killed / "images" / ".00003.png.4711.part").write_bytes(b"half")
    bags(killed, resume=True)
    assert files(killed) == files(tmp_path / "whole")


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"seed": 4}, "its seed is 3, 4 was asked for"),
        ({"form": "jpeg"}, r"its suffix is \"\.png\", \"\.jpg\" was asked for"),
    ],
)
def test_another_series_is_not_gone_on_with(tmp_path: Path, other: dict, message: str) -> None:
    with pytest.raises(KilledError):
        bags(tmp_path, done=killer(1))
    before = files(tmp_path)
    with pytest.raises(UsageError, match=message):
        bags(tmp_path, resume=True, **other)
    with pytest.raises(UsageError, match=r"its grey_share is 0\.2, 0\.5 was asked for"):
        write_bags(
            tmp_path, count=4, seed=3, settings=BagSettings(size=(160, 120), grey_share=0.5), resume=True
        )
    assert files(tmp_path) == before


def test_a_series_may_become_longer(tmp_path: Path) -> None:
    bags(tmp_path / "whole", count=5)
    with pytest.raises(KilledError):
        bags(tmp_path / "killed", count=3, done=killer(2))
    bags(tmp_path / "killed", count=5, resume=True)
    assert files(tmp_path / "killed") == files(tmp_path / "whole")


def test_a_journal_that_is_none_and_pictures_without_one_are_refused(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "00000.png").write_bytes(b"")
    with pytest.raises(UsageError, match=f"without its {JOURNAL}, which cannot be resumed"):
        bags(tmp_path, resume=True)
    for text in ("", "{}\n[]\n", "nonsense\n"):
        (tmp_path / JOURNAL).write_text(text)
        with pytest.raises(UsageError, match="no journal of a series"):
            bags(tmp_path, resume=True)


def test_the_command_resumes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    parser = argparse.ArgumentParser()
    simulate.add_arguments(parser)
    words = ["baggage", "--count", "2", "--seed", "3", "--size", "160x120", "--out", str(tmp_path / "bags")]
    assert simulate.run(parser.parse_args([*words, "--resume"])) == 0  # nothing is there: it begins
    document = json.loads((tmp_path / "bags" / "baggage.json").read_text())
    assert len(document["images"]) == 2
    assert not (tmp_path / "bags" / JOURNAL).exists()
