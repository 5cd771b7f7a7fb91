"""The command line: finding commands, errors as sentences, exit codes."""

import argparse
import os
import subprocess
import sys
from importlib import metadata

import pytest

from cargosight_inference import cli
from cargosight_models.errors import CatalogError, MissingExtraError
from tests.made.models import make_blob_model, write_blobs


class _Loaded:
    """A command that takes one option and does as it is told."""

    SUMMARY = "Do as told."

    def __init__(self, act):
        self._act = act

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--number", type=int, default=0)

    def run(self, arguments: argparse.Namespace) -> int:
        return self._act(arguments)


def install(monkeypatch, act) -> None:
    monkeypatch.setattr(cli, "_load", lambda name: _Loaded(act))


def raising(error):
    def act(_):
        raise error

    return act


def test_a_command_gets_its_arguments_and_gives_the_exit_code(monkeypatch):
    install(monkeypatch, lambda arguments: arguments.number)
    assert cli.main(["told", "--number", "3"]) == 3
    assert cli.main(["told"]) == 0


@pytest.mark.parametrize(
    "error", [CatalogError("there is no such model"), MissingExtraError("train", "cargosight train")]
)
def test_an_error_is_one_sentence_and_exit_code_2(monkeypatch, capsys, error):
    install(monkeypatch, raising(error))
    assert cli.main(["told"]) == 2
    assert capsys.readouterr().err == f"cargosight: {error}\n"


def test_an_output_folder_that_is_a_file_is_a_sentence(monkeypatch, capsys, tmp_path):
    (tmp_path / "file").touch()
    install(monkeypatch, lambda _: (tmp_path / "file" / "out").mkdir(parents=True))
    assert cli.main(["told"]) == 2
    said = capsys.readouterr().err
    assert said == f"cargosight: {tmp_path / 'file' / 'out'} cannot be read or written: Not a directory\n"


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="a device of Linux")  # noqa: PTH110
def test_a_full_disk_behind_the_output_is_a_sentence():
    with open("/dev/full", "w") as full:  # noqa: PTH123
        done = subprocess.run(
            [sys.executable, "-m", "cargosight_inference", "models"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    assert done.returncode == 2
    assert done.stderr == "cargosight: stopped by the system: No space left on device\n"


def test_a_programming_error_is_not_hidden(monkeypatch):
    install(monkeypatch, raising(KeyError("bug")))
    with pytest.raises(KeyError):
        cli.main(["told"])


def test_ctrl_c_is_exit_code_130(monkeypatch, capsys):
    install(monkeypatch, raising(KeyboardInterrupt()))
    assert cli.main(["told"]) == 130
    assert "interrupted" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["told", "--nonsense"], ["told", "--number", "x"]])
def test_wrong_options_are_exit_code_2(monkeypatch, capsys, arguments):
    install(monkeypatch, lambda _: 0)
    assert cli.main(arguments) == 2
    assert "cargosight told" in capsys.readouterr().err


def test_an_unknown_command_is_named_with_its_nearest_spelling(capsys):
    assert cli.main(["inspekt"]) == 2
    error = capsys.readouterr().err
    assert "'inspekt'" in error
    assert "did you mean 'inspect'" in error
    assert "models" in error


def test_nothing_at_all_is_misuse_and_shows_what_there_is(capsys):
    assert cli.main([]) == 2
    error = capsys.readouterr().err
    assert "inspect" in error
    assert "bench" in error


def test_help_lists_the_commands(capsys):
    assert cli.main(["--help"]) == 0
    shown = capsys.readouterr().out
    for name in ("inspect", "models", "bench"):
        assert f"  {name} " in shown


def test_an_option_before_the_command_is_misuse(capsys):
    assert cli.main(["--json", "inspect"]) == 2
    assert capsys.readouterr().err


def test_the_version_is_shown(capsys):
    assert cli.main(["--version"]) == 0
    assert capsys.readouterr().out.strip() == f"cargosight {metadata.version('cargosight')}"


def test_a_command_whose_package_is_missing_does_not_spoil_the_help(monkeypatch, capsys):
    entry = metadata.EntryPoint("lost", "no_such_package.lost", cli.GROUP)
    monkeypatch.setattr(cli, "_entry_points", lambda: {"lost": entry})
    assert cli.main(["--help"]) == 0
    assert "no_such_package" in capsys.readouterr().out


def test_only_the_command_that_was_asked_for_is_imported():
    code = (
        "import sys; from cargosight_inference.cli import main; main(['models', 'list']); "
        "names = [name for name in sys.modules if '.commands.' in name]; "
        "sys.stderr.write(' '.join(sorted(names)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == "cargosight_inference.commands.models"


MAIN = "import sys; from cargosight_inference.cli import main; sys.exit(main())"


@pytest.mark.skipif(os.name != "posix", reason="pipes that close are a POSIX matter")
def test_a_reader_that_goes_away_is_no_noise(tmp_path):
    model = make_blob_model(tmp_path / "blobs.onnx")
    path = write_blobs(tmp_path / "bag.png")
    listed = "\n".join([str(path)] * 400)
    with subprocess.Popen(
        [sys.executable, "-c", MAIN, "inspect", "-", "--json", "--model", str(model), "--threshold", "0.5"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        process.stdin.write(listed)
        process.stdin.close()
        assert process.stdout.readline().startswith("{")
        process.stdout.close()
        error = process.stderr.read()
        assert process.wait(timeout=60) == 141
    assert "Traceback" not in error
    assert "Exception" not in error


def test_the_package_is_the_command():
    done = subprocess.run(
        [sys.executable, "-m", "cargosight_inference", "--version"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("cargosight ")
