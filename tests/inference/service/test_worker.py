"""Workers: what they answer."""

import json
import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from cargosight_inference.inspector import Inspector
from cargosight_inference.overlay import draw_overlay
from cargosight_inference.scans.attenuation import LEAD
from cargosight_inference.scans.readers import read_scan
from cargosight_inference.service.engines import KEEP_BELOW, Engine
from cargosight_inference.service.maps import maps_of, read_map
from cargosight_inference.service.pictures import read_description
from cargosight_inference.service.worker import WorkerProcess
from cargosight_models.errors import EngineError, NoSuchTile, UnreadablePicture, UsageError
from tests.made import radiographs, scans
from tests.made.models import make_blob_model, make_cargo_model, write_blobs
from tests.made.radiographs import Block
from tests.made.workers import (
    LONG,
    blob_engine,
    dark_bag,
    inspect,
    picture,
    without_times,
)

pytestmark = pytest.mark.skipif(os.name != "posix", reason="POSIX pipes and signals")


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("secret")


@pytest.fixture(scope="module")
def engine(folder) -> Engine:
    return blob_engine(folder)


@pytest.fixture(scope="module")
def bag(folder) -> Path:
    return dark_bag(folder)


@pytest.fixture(scope="module")
def shared(engine, bag):
    with WorkerProcess() as worker:
        worker.load(engine, bag)
        yield worker


@pytest.fixture
def worker(engine, bag):
    """One that may die."""
    with WorkerProcess() as worker:
        worker.load(engine, bag, "refer")
        yield worker


@pytest.fixture(scope="module")
def cargo(folder) -> tuple[Engine, Path]:
    block = Block(300, 150, 420, 290, LEAD, 400.0)
    path = folder / "4567def"
    path.write_bytes(scans.npy_bytes(radiographs.transmission((block,))))
    return Engine(subject="cargo", model=str(make_cargo_model(folder / "loads.onnx")), threshold=0.9), path


class TestInspecting:
    def test_it_is_what_an_inspector_gives_under_the_callers_name(self, shared, engine, bag):
        found = inspect(shared, engine, bag)
        alone = Inspector(engine.model, threshold=0.5, keep_below=KEEP_BELOW).inspect(bag).to_dict()
        assert found["below_threshold"] is not None
        assert found.pop("maps") == {}
        assert found["path"] == "lane/bag.png"
        assert without_times(found | {"path": str(bag)}) == without_times(alone)
        assert set(found["timings_ms"]) == set(alone["timings_ms"])
        assert json.loads(json.dumps(found)) == found

    def test_the_same_file_again_is_the_same_answer(self, shared, engine, bag):
        assert without_times(inspect(shared, engine, bag)) == without_times(inspect(shared, engine, bag))

    def test_without_a_name(self, shared, engine, bag):
        assert inspect(shared, engine, bag, name=None)["path"] is None

    def test_a_name_that_is_no_utf_8(self, shared, engine, bag, tmp_path):
        odd = tmp_path / os.fsdecode(b"\xff\xfe")
        odd.write_bytes(bag.read_bytes())
        found = inspect(shared, engine, odd, name=odd.name)
        assert (found["path"], found["decision"]) == (odd.name, "refer")

    def test_broken_files_are_unreadable_and_say_nothing_of_the_folders(self, shared, engine, tmp_path):
        paths = [
            *scans.broken_files(tmp_path / "secret"),
            tmp_path / "secret" / "missing",
            tmp_path / "secret",
        ]
        for path in paths:
            found = inspect(shared, engine, path, name="x.png")
            assert found["decision"] == "unreadable"
            assert found["reasons"] == [found["error"]]
            assert "secret" not in json.dumps(found)
        assert inspect(shared, engine, paths[0])["sha256"] is not None

    def test_maps(self, shared, cargo, tmp_path):
        engine, path = cargo
        shared.load(engine, path)
        target = tmp_path / "maps" / "1.npz"
        found = inspect(shared, engine, path, maps_to=target)
        alone = maps_of(Inspector(engine.model, threshold=0.9).inspect(path))
        assert set(found["maps"]) == set(alone) == {"opaque", "material"}
        for name, cells in alone.items():
            rows, columns, side = found["maps"][name]
            assert cells.shape == (rows, columns)
            assert (rows * side, columns * side) == (radiographs.HEIGHT, radiographs.WIDTH)
            assert np.array_equal(read_map(target, name), cells)
        assert read_map(target, "opaque").max() == 1
        for name in ("anomaly", "secret"):
            with pytest.raises(NoSuchTile, match=f"map '?{name}"):
                read_map(target, name)
        assert [entry.name for entry in target.parent.iterdir()] == ["1.npz"]
        assert inspect(shared, engine, path)["maps"] == {}

    def test_a_declared_heading_is_compared_where_there_is_cargo(self, shared, engine, bag, cargo):
        shared.load(cargo[0], cargo[1])
        assert inspect(shared, *cargo, declared="4011")["declared"]["heading"] == "4011"
        assert inspect(shared, engine, bag, declared="4011")["declared"] is None
        with pytest.raises(UsageError, match="a heading is"):
            inspect(shared, *cargo, declared=" ")

    def test_no_room_for_the_maps(self, shared, cargo, tmp_path):
        shared.load(cargo[0], cargo[1])
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(OSError, match=r"(File exists|Not a directory)") as caught:
            inspect(shared, *cargo, maps_to=tmp_path / "file" / "1.npz")
        assert str(tmp_path) not in str(caught.value)
        assert inspect(shared, *cargo)["error"] is None


class TestPicturesAndOverlays:
    def test_a_picture(self, shared, tmp_path):
        path = scans.write_scan(tmp_path, "tiff dual")
        described = picture(shared, path, tmp_path / "picture")
        assert described == read_description(tmp_path / "picture")
        assert described["pixel_pitch_mm"] == [1.0, 2.0]
        assert described["channels"] == 2
        assert str(tmp_path) not in json.dumps(described)

    def test_a_file_without_a_picture(self, shared, tmp_path):
        for path in scans.broken_files(tmp_path):
            with pytest.raises(UnreadablePicture) as caught:
                picture(shared, path, tmp_path / "picture")
            assert str(tmp_path) not in str(caught.value)
        with pytest.raises(UnreadablePicture, match="the limit is 100"):
            picture(shared, scans.write_scan(tmp_path), tmp_path / "picture", max_pixels=100)
        assert not (tmp_path / "picture").exists()

    def test_no_room_for_a_picture(self, shared, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        with pytest.raises(OSError, match=r"(File exists|Not a directory)"):
            picture(shared, scans.write_scan(tmp_path), tmp_path / "file" / "picture")

    def test_an_overlay_of_the_record_is_that_of_the_inspection(self, shared, engine, bag):
        inspector = Inspector(engine.model, threshold=0.5)
        scan = read_scan(bag, engine.read_options)
        expected = draw_overlay(scan, inspector.inspect(bag))
        record = inspect(shared, engine, bag, name=bag.name)
        # No engine of that model is needed any more.
        forgotten = Engine(subject="baggage", model="gone.onnx", threshold=0.1)
        png = shared.overlay(forgotten, bag, inspection=record, maps=None, timeout_s=LONG)
        assert np.array_equal(cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB), expected)

    def test_an_overlay_with_maps(self, shared, cargo, tmp_path):
        engine, path = cargo
        shared.load(engine, path)
        record = inspect(shared, engine, path, maps_to=tmp_path / "maps.npz", name="")
        assert record["opaque_regions"]
        pictures = [
            shared.overlay(engine, path, inspection=record, maps=maps, timeout_s=LONG)
            for maps in (tmp_path / "maps.npz", tmp_path / "lost.npz", None)
        ]
        assert pictures[0] != pictures[1] == pictures[2]
        whole = draw_overlay(
            read_scan(path, engine.read_options), Inspector(engine.model, threshold=0.9).inspect(path)
        )
        found = cv2.imdecode(np.frombuffer(pictures[0], np.uint8), cv2.IMREAD_COLOR_RGB)
        assert found.shape == whole.shape
        differs = (found != whole).any(axis=2)
        assert differs.mean() < 0.05  # the banner names the file

    def test_no_overlay_of_another_scan_or_of_none(self, shared, engine, bag, tmp_path):
        record = inspect(shared, engine, bag)
        other = write_blobs(tmp_path / "other.png", size=(160, 160))
        with pytest.raises(UnreadablePicture, match="expected the scan that was inspected"):
            shared.overlay(engine, other, inspection=record, maps=None, timeout_s=LONG)
        with pytest.raises(UsageError, match="recorded with schema 99"):
            shared.overlay(engine, bag, inspection=record | {"schema": 99}, maps=None, timeout_s=LONG)
        empty = scans.broken_files(tmp_path)[0]
        record = inspect(shared, engine, empty)
        with pytest.raises(UnreadablePicture, match="empty"):
            shared.overlay(engine, empty, inspection=record, maps=None, timeout_s=LONG)
        with pytest.raises(UnreadablePicture, match="the scan was unreadable"):
            shared.overlay(engine, bag, inspection=record, maps=None, timeout_s=LONG)


class TestEngines:
    def test_an_engine_that_was_not_loaded(self, shared, engine, bag):
        other = Engine(subject="baggage", model=engine.model, threshold=0.123)
        with pytest.raises(EngineError, match="was not loaded"):
            inspect(shared, other, bag)
        shared.drop(other)

    def test_one_that_fails_leaves_the_others(self, shared, engine, bag, tmp_path):
        (tmp_path / "corrupt.onnx").write_bytes(Path(engine.model).read_bytes()[:2000])
        for model, wanted in (("corrupt", "no ONNX model"), ("gone", "no model file")):
            failing = Engine(subject="baggage", model=str(tmp_path / f"{model}.onnx"), threshold=0.5)
            with pytest.raises(EngineError, match=f"{wanted}") as caught:
                shared.load(failing, bag)
            assert str(tmp_path) not in str(caught.value)
            assert failing not in shared.engines
        pid = shared.pid
        assert inspect(shared, engine, bag)["decision"] == "refer"
        assert shared.pid == pid

    def test_a_failed_golden_scan_keeps_the_engine_that_was_there(self, shared, engine, bag, tmp_path):
        clean = write_blobs(tmp_path / "clean.png")
        with pytest.raises(
            EngineError, match=r"golden scan clean.png: the decision is clear .*expected refer"
        ):
            shared.load(engine, clean, "refer")
        assert inspect(shared, engine, bag)["decision"] == "refer"
        assert shared.load(engine, clean, "clear").golden["scan"] == "clean.png"
        with pytest.raises(UsageError, match="expected clear or refer"):
            shared.load(engine, clean, "maybe")

    def test_a_model_that_fails_on_a_scan(self, shared, bag, tmp_path):
        """As one does whose graph cannot take some shape; the golden scan had another."""
        broken = make_blob_model(tmp_path / "broken.onnx", score_scale=float("nan"))
        engine = Engine(subject="baggage", model=str(broken), threshold=0.5)
        with pytest.raises(EngineError, match="did not pass its golden scan") as caught:
            shared.load(engine, bag)
        assert str(tmp_path) not in str(caught.value)

    def test_several_and_dropped_ones(self, worker, engine, bag):
        stricter = Engine(subject="baggage", model=engine.model, threshold=1.0)
        facts = worker.load(stricter, bag)
        assert facts.operating_point == "threshold=1"
        assert set(worker.engines) == {engine, stricter}
        assert inspect(worker, stricter, bag)["operating_point"] == "threshold=1"
        worker.drop(stricter)
        with pytest.raises(EngineError, match="was not loaded"):
            inspect(worker, stricter, bag)
        assert inspect(worker, engine, bag)["operating_point"] == "threshold=0.5"
