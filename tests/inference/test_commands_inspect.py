"""`cargosight inspect`, as a person or a script uses it."""

import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import cv2
import pytest

from cargosight_inference import cli
from tests.inference.test_progress import Terminal
from tests.made.models import BLUE, DARK, make_blob_model, write_blobs

AT = (64, 32)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    path = tmp_path_factory.mktemp("models") / "blobs.onnx"
    return str(make_blob_model(path, operating_points={"pfa=0.05": 0.5, "pfa=0.01": 0.95}))


@pytest.fixture
def scans(tmp_path):
    """bag1 (clear), bag2 (dark), bag10 (blue) in a subfolder; and things that are no scans."""
    folder = tmp_path / "scans"
    write_blobs(folder / "bag2.png", (*AT, DARK))
    write_blobs(folder / "bag1.jpg")
    write_blobs(folder / "more" / "bag10.webp", (*AT, BLUE))
    (folder / "notes.txt").write_text("no scan")
    (folder / ".hidden.png").write_bytes(b"hidden")
    return folder


def run(*arguments) -> int:
    return cli.main(["inspect", *map(str, arguments)])


def lines(capsys) -> list[str]:
    return capsys.readouterr().out.splitlines()


def test_a_line_for_each_scan(model, scans, capsys):
    assert run(scans, "--model", model) == 0
    first, second, third = lines(capsys)
    assert first.split()[0] == "clear"
    assert "bag1.jpg" in first
    assert "nothing found" in first
    assert second.split()[0] == "refer"
    assert "dark 1.00" in second
    assert third.split()[0] == "refer"
    assert "blue" in third
    assert all(line.endswith(" ms") for line in (first, second, third))


def test_json_lines(model, scans, capsys):
    assert run("--json", scans / "bag2.png", scans / "bag1.jpg", "--model", model) == 0
    dark, clear = map(json.loads, lines(capsys))
    assert (dark["decision"], clear["decision"]) == ("refer", "clear")
    assert dark["findings"][0]["box"] == [64.0, 32.0, 112.0, 80.0]
    assert dark["operating_point"] == "pfa=0.05"


def test_the_summary_goes_to_stderr(model, scans, capsys):
    run(scans, "--json", "--model", model)
    assert "3 scans: 1 clear, 2 refer" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["broken.png", "empty.jpg"])
def test_an_unreadable_file_is_reported_and_the_run_goes_on(model, scans, capsys, name):
    (scans / name).write_bytes(b"" if name.startswith("empty") else b"\x89PNG\r\n\x1a\nbroken")
    assert run(scans, "--model", model) == 3
    found = lines(capsys)
    assert len(found) == 4
    assert [name in line for line in found if line.startswith("unreadable")] == [True]


def test_globs_and_natural_order(model, tmp_path, capsys):
    for number in (10, 9, 1):
        write_blobs(tmp_path / f"s{number}.png")
    assert run(tmp_path / "s*.png", "--json", "--model", model) == 0
    assert [Path(json.loads(line)["path"]).name for line in lines(capsys)] == [
        "s1.png",
        "s9.png",
        "s10.png",
    ]


def test_a_list_on_stdin(model, scans, capsys, monkeypatch):
    listed = f"{scans / 'bag2.png'}\n\n{scans / 'none.png'}\n{scans / 'bag1.jpg'}"
    monkeypatch.setattr(sys, "stdin", io.StringIO(listed))
    assert run("-", "--json", "--model", model) == 3
    assert [json.loads(line)["decision"] for line in lines(capsys)] == ["refer", "unreadable", "clear"]


def inspected_from(listed, model):
    """Run on a list of bytes, which come through a pipe as from another program."""
    command = [sys.executable, "-m", "cargosight_inference", "inspect", "-", "--model", model]
    return subprocess.run(command, input=listed, capture_output=True, check=False, timeout=60)


def test_the_mark_that_windows_puts_before_a_list_is_no_part_of_a_path(model, scans):
    listed = b"\xef\xbb\xbf" + f"{scans / 'bag1.jpg'}\r\n{scans / 'bag2.png'}\r\n".encode()
    done = inspected_from(listed, model)
    assert [line.split()[0] for line in done.stdout.splitlines()] == [b"clear", b"refer"]


def test_what_has_no_lines_is_no_list(model, scans):
    """It must not be collected in memory until it ends."""
    done = inspected_from(f"{scans / 'bag1.jpg'}\n".encode() + b"\0" * (1 << 20), model)
    assert done.returncode == 2
    assert done.stdout.startswith(b"clear ")
    assert b"the list on stdin has a line of more than 65,536 bytes; expected one path a line" in done.stderr


def test_an_empty_list_on_stdin(model, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.StringIO(""))
    assert run("-", "--model", model) == 2
    assert "the list on stdin is empty" in capsys.readouterr().err


def test_overlay_and_json_files(model, scans, tmp_path, capsys):
    out = tmp_path / "out"
    (scans / "broken.png").write_bytes(b"broken")
    assert run(scans, "--out", out, "--model", model) == 3
    written = sorted(str(path.relative_to(out)) for path in out.rglob("[!.]*") if path.is_file())
    assert written == [
        "bag1.inspection.json",
        "bag1.overlay.png",
        "bag2.inspection.json",
        "bag2.overlay.png",
        "broken.inspection.json",
        "more/bag10.inspection.json",
        "more/bag10.overlay.png",
    ]
    found = json.loads((out / "bag2.inspection.json").read_text())
    assert found["decision"] == "refer"
    overlay = cv2.imread(str(out / "bag2.overlay.png"))
    assert overlay.shape[0] > 128
    assert json.loads((out / "broken.inspection.json").read_text())["decision"] == "unreadable"


def test_overlays_are_left_out_of_a_folder_and_nothing_that_only_looks_like_one(
    model, scans, tmp_path, capsys
):
    assert run(scans / "bag2.png", "--out", scans, "--model", model) == 0
    write_blobs(scans / "other.overlay.png")
    write_blobs(scans / "planted.overlay.png", (*AT, DARK))
    (scans / "planted.inspection.json").write_text("{}")
    capsys.readouterr()
    run(scans, "--json", "--model", model)
    found = {Path(json.loads(line)["path"]).name for line in lines(capsys)}
    assert found == {"bag1.jpg", "bag2.png", "bag10.webp", "other.overlay.png", "planted.overlay.png"}


def test_a_name_too_long_for_a_suffix_is_cut_and_stays_its_own(model, tmp_path, capsys):
    inputs = [write_blobs(tmp_path / "in" / f"{'b' * 249}{end}.png") for end in "12"]
    out = tmp_path / "out"
    for _ in range(2):
        assert run(*inputs, "--out", out, "--model", model) == 0
        owners = [json.loads(path.read_text())["path"] for path in out.glob("*.inspection.json")]
        assert sorted(owners) == sorted(map(str, inputs))
        assert len(list(out.glob("*.overlay.png"))) == 2


def test_inputs_of_one_name_do_not_overwrite_each_other(model, tmp_path, capsys):
    inputs = [
        write_blobs(tmp_path / "a" / "bag.png", (*AT, DARK)),
        write_blobs(tmp_path / "b" / "bag.png", (*AT, BLUE)),
        write_blobs(tmp_path / "a" / "bag.jpg"),
    ]
    out = tmp_path / "out"
    for _ in range(2):  # a second run replaces each result by that of the same input
        assert run(*inputs, "--out", out, "--model", model) == 0
        found = {path.name: json.loads(path.read_text())["path"] for path in out.glob("*.json")}
        assert sorted(found.values()) == sorted(map(str, inputs))
        assert found["bag.inspection.json"] == str(inputs[0])
        assert len(list(out.glob("*.overlay.png"))) == 3
        assert [path.name for path in out.glob(".*")] == [".cargosight.lock"]


def test_a_file_that_became_unreadable_loses_its_old_overlay(model, tmp_path, capsys):
    path, out = write_blobs(tmp_path / "bag.png"), tmp_path / "out"
    run(path, "--out", out, "--model", model)
    assert (out / "bag.overlay.png").exists()
    path.write_bytes(b"broken")
    run(path, "--out", out, "--model", model)
    assert not (out / "bag.overlay.png").exists()


def test_results_inside_the_inspected_folder_are_not_inspected(model, scans, capsys):
    assert run(scans, "--out", scans / "out", "--model", model) == 0
    assert len(lines(capsys)) == 3
    assert run(scans, "--out", scans / "out", "--model", model) == 0
    assert len(lines(capsys)) == 3
    assert run(scans, "--model", model) == 0  # not even when they are not the output folder of this run
    assert len(lines(capsys)) == 3


def test_an_output_folder_that_cannot_be(model, scans, tmp_path, capsys):
    (tmp_path / "file").write_text("in the way")
    assert run(scans, "--out", tmp_path / "file", "--model", model) == 2
    assert "cannot be created" in capsys.readouterr().err


def test_operating_point_threshold_and_policy(model, scans, tmp_path, capsys):
    bag = scans / "bag2.png"
    assert run(bag, "--json", "--model", model, "--operating-point", "pfa=0.01") == 0
    assert json.loads(lines(capsys)[0])["thresholds"] == {"dark": 0.95, "blue": 0.95}
    assert run(bag, "--json", "--model", model, "--threshold", "0.9") == 0
    assert json.loads(lines(capsys)[0])["operating_point"] == "threshold=0.9"
    policy = tmp_path / "policy.yaml"
    policy.write_text("refer_classes: [blue]\n")
    assert run(bag, "--json", "--model", model, "--policy", policy) == 0
    assert json.loads(lines(capsys)[0])["decision"] == "clear"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{none}"], "there is no file or folder"),
        ([""], "an empty path found; give . for the working directory"),
        (["{scan}", "--policy", ""], "an empty path"),
        (["{folder}/*.tif"], "nothing matches"),
        (["{empty}"], "nothing to inspect"),
        (["{scan}", "--model", "nosuch"], "no model called 'nosuch'"),
        (["{scan}", "--model", "nosuch.onnx"], "no model file"),
        (["{scan}", "--threshold", "0.5", "--operating-point", "pfa=0.05"], "not allowed with"),
        (["{scan}", "--operating-point", "pfa=0.5"], "no operating point 'pfa=0.5'"),
        (["{scan}", "--threshold", "7"], "expected one in"),
        (["{scan}", "--subject", "cargo"], "inspects baggage"),
        (["{scan}", "--max-pixels", "0"], "pixel limit"),
        (["{scan}", "--threads", "0"], "--threads 0 found; expected auto or 1 to 256"),
        (["{scan}", "--threads", "100000"], "--threads 100000 found; expected auto or 1 to 256"),
        (["{scan}", "--operating-point", ""], "no operating point ''"),
        (["{scan}", "--out", ""], "an empty path; give . for the working directory"),
        (["{scan}", "--policy", "{none}"], "cannot be read"),
        ([], "required: PATH"),
    ],
)
def test_misuse_is_exit_code_2_with_a_sentence(model, scans, capsys, arguments, message):
    (scans / "empty").mkdir()
    places = {
        "none": scans / "none",
        "folder": scans,
        "empty": scans / "empty",
        "scan": scans / "bag1.jpg",
    }
    given = [argument.format(**places) for argument in arguments]
    chosen = [] if "--model" in given else ["--model", model]
    assert run(*given, *chosen) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""


@pytest.mark.parametrize("words", [(), ("--subject", "unknown")])
def test_without_a_subject_or_a_model_the_choices_are_listed(scans, capsys, words):
    assert run(scans, *words) == 2
    assert "baggage (model baggage), cargo (model container)" in capsys.readouterr().err


def test_the_help_says_how_the_model_is_chosen(capsys):
    assert run("--help") == 0
    shown = capsys.readouterr().out
    assert "--subject unknown without --model is refused" in shown
    assert "exit code" in shown


@pytest.mark.skipif(os.name != "posix", reason="POSIX signals")
@pytest.mark.parametrize(("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("waiting", [True, False])
def test_a_signal_ends_a_run_at_once(model, scans, waiting, number, exit_code):
    """Also one that has waited a while for the next line of a list on stdin."""
    code = "import sys; from cargosight_inference.cli import main; sys.exit(main())"
    bag = str(scans / "bag1.jpg")
    with subprocess.Popen(
        [sys.executable, "-c", code, "inspect", "-", "--json", "--model", model],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        # Not more than a pipe holds, but more results than one holds: the run cannot come to its end.
        process.stdin.write((bag + "\n") * (1 if waiting else 60_000 // (len(bag) + 1)))
        process.stdin.flush()
        assert process.stdout.readline()
        time.sleep(0.5)
        process.send_signal(number)
        try:
            # Its stdin stays open, as that of a program that goes on.
            assert process.wait(timeout=10) == exit_code
        finally:
            process.kill()
        error = process.stderr.read()
    assert {130: "interrupted", 143: "terminated"}[exit_code] in error
    assert "Traceback" not in error


def test_each_line_can_be_read_before_the_next_input_is_known(scans, model):
    code = "import sys; from cargosight_inference.cli import main; sys.exit(main())"
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}
    with subprocess.Popen(
        [sys.executable, "-c", code, "inspect", "-", "--model", model],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment,
    ) as process:
        for name in ("bag1.jpg", "bag2.png", "bag1.jpg"):
            process.stdin.write(f"{scans / name}\n")
            process.stdin.flush()
            assert name in process.stdout.readline()
        process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_link_to_a_scan_that_is_gone_is_unreadable_and_not_skipped(model, tmp_path, capsys):
    write_blobs(tmp_path / "in" / "bag1.png")
    (tmp_path / "in" / "bag2.jpg").symlink_to(tmp_path / "gone.jpg")
    (tmp_path / "in" / "notes").symlink_to(tmp_path / "gone.txt")
    assert run(tmp_path / "in", "--model", model) == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["clear", "unreadable"]
    assert "bag2.jpg" in lines[1]


def test_a_name_too_long_to_be_an_overlay_of_ours_stops_nothing(model, scans, capsys):
    (scans / ("a" * 243 + ".overlay.png")).write_bytes(b"no picture")
    assert run(scans, "--model", model) == 3
    decisions = [line.split()[0] for line in lines(capsys)]
    assert sorted(decisions) == ["clear", "refer", "refer", "unreadable"]


def test_a_folder_that_cannot_be_listed_says_so(model, scans, monkeypatch, capsys):
    listing = os.scandir

    def refused(path):
        if os.fspath(path) == str(scans / "more"):
            raise PermissionError(13, "Permission denied", path)
        return listing(path)

    monkeypatch.setattr(os, "scandir", refused)
    assert run(scans, "--model", model) == 3
    (row,) = [line for line in lines(capsys) if line.startswith("unreadable")]
    assert "the folder cannot be listed (Permission denied); check its permissions and the disk" in row


@pytest.mark.parametrize("with_out", [False, True])
def test_a_long_list_leaves_nothing_behind_in_memory(model, tmp_path, monkeypatch, capsys, with_out):
    lengths = [0]

    class Watched(deque):
        def append(self, item):
            super().append(item)
            lengths.append(len(self))

    monkeypatch.setattr("cargosight_inference.commands.inspect.deque", Watched)
    monkeypatch.setattr(sys, "stdin", io.StringIO(f"{write_blobs(tmp_path / 'bag.jpg')}\n" * 40))
    assert run("-", "--model", model, *(["--out", tmp_path / "out"] if with_out else [])) == 0
    assert len(lines(capsys)) == 40
    assert max(lengths) < 10


def test_a_run_on_a_terminal_counts_and_draws(model, scans, monkeypatch, capsys):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr("cargosight_inference.progress._PATIENCE_S", -1.0)
    monkeypatch.setattr("cargosight_inference.progress._INTERVAL_S", -1.0)
    assert run(scans, "--model", model) == 0
    assert "scans" in terminal.getvalue()
    assert len(lines(capsys)) == 3
