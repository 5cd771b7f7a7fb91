import multiprocessing
import os
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cargosight_inference.preprocess import preprocess
from cargosight_inference.scans.readers import ReadOptions, read_scan
from cargosight_models.contract import InputContract
from cargosight_models.errors import DataSetError
from cargosight_training.datasets.cache import PictureCache
from tests.made.runs import extent, record_of, with_rectangle, write_picture
from tests.made.scans import transmission


def cache_of(records, folder: Path, pixels: int = 96, **more) -> PictureCache:
    return PictureCache(tuple(records), folder, pixels=pixels, subject=more.pop("subject", "baggage"), **more)


def test_eight_bit_pictures_are_kept_without_loss(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = write_picture(tmp_path / "a.png", rng.integers(0, 256, (50, 70, 3), dtype=np.uint8))
    cache = cache_of([record_of(path, (70, 50))], tmp_path / "cache")
    picture = cache.picture(0)
    view = preprocess(read_scan(path, ReadOptions()), InputContract(shapes=((96, 96),))).tensor[0]
    top = (96 - picture.shape[0]) // 2
    assert (picture.dtype, cache.size(0)) == (np.uint8, (96, 69))
    expected = view[:, top : top + picture.shape[0]].transpose(1, 2, 0)
    assert np.array_equal(picture.astype(np.float32) / np.float32(255.0), expected)


def test_transmission_keeps_sixteen_bits(tmp_path: Path) -> None:
    pixels = transmission(60, 96)
    path = write_picture(tmp_path / "a.npy", pixels)
    cache = cache_of([record_of(path, (96, 60))], tmp_path / "cache")
    picture = cache.picture(0)
    view = preprocess(read_scan(path, ReadOptions(subject="baggage")), InputContract(shapes=((96, 96),)))
    assert picture.dtype == np.float32
    assert picture.min() >= 0.0
    assert picture.max() <= 1.0
    assert np.abs(picture - view.tensor[0, :, 18:78].transpose(1, 2, 0)).max() <= 0.5 / 65535 + 1e-7


@settings(max_examples=25, deadline=None)
@given(
    width=st.integers(8, 420),
    height=st.integers(8, 420),
    shares=st.tuples(*[st.floats(0.0, 1.0)] * 4),
    wide=st.booleans(),
)
def test_boxes_lie_around_what_they_lay_around(
    tmp_path_factory: pytest.TempPathFactory, width: int, height: int, shares: tuple[float, ...], wide: bool
) -> None:
    folder = tmp_path_factory.mktemp("cache")
    x1, y1 = int(shares[0] * (width - 4)), int(shares[1] * (height - 4))
    box = (x1, y1, x1 + 4 + int(shares[2] * (width - 4 - x1)), y1 + 4 + int(shares[3] * (height - 4 - y1)))
    pixels = with_rectangle(width, height, box, wide=wide)
    path = write_picture(folder / ("a.npy" if wide else "a.png"), pixels[:, :, :1] if wide else pixels)
    cache = cache_of([record_of(path, (width, height), [box], [0])], folder / "cache")
    picture, found = cache.picture(0), cache.boxes(0)[0]
    level = picture[..., 0] * (255.0 if wide else 1.0)
    assert max(picture.shape[:2]) == 96
    assert found.min() >= 0.0
    assert found[2] <= picture.shape[1]
    assert found[3] <= picture.shape[0]
    dark = level < 140  # at least half of the pixel is item
    if dark.any():
        # Enlarging blurs an edge over a source pixel, shrinking cuts it to a pixel of the result.
        tolerance = 0.51 + 0.5 * max(1.0, 96 / max(width, height))
        assert np.abs(np.array(extent(dark)) - found).max() <= tolerance


def test_small_scans_are_enlarged(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", with_rectangle(9, 3, (2, 0, 5, 3)))
    cache = cache_of([record_of(path, (9, 3), [(2, 0, 5, 3)], [1])], tmp_path / "cache")
    assert cache.size(0) == (96, 32)
    assert cache.boxes(0)[0].tolist() == pytest.approx([96 * 2 / 9, 0, 96 * 5 / 9, 32])


def test_no_column_of_padding_is_kept(tmp_path: Path) -> None:
    # 391 x 203 is halved twice, which leaves out three columns and three rows.
    path = write_picture(tmp_path / "a.png", np.zeros((203, 391, 3), dtype=np.uint8))
    picture = cache_of([record_of(path, (391, 203))], tmp_path / "cache").picture(0)
    assert picture.max() == 0


def test_a_cache_is_used_again_until_something_changes(tmp_path: Path) -> None:
    paths = [write_picture(tmp_path / f"{i}.png", with_rectangle(40, 30, (5, 5, 9, 9))) for i in range(3)]
    records = [record_of(path, (40, 30)) for path in paths]
    reads: list[tuple[int, int]] = []

    def build(**more) -> None:
        cache_of(records, tmp_path / "cache", progress=lambda *at: reads.append(at), **more)

    build()
    assert reads == [(1, 3), (2, 3), (3, 3)]
    build()
    assert len(reads) == 3
    build(pixels=64)
    build(subject="cargo")
    assert len(reads) == 9
    os.utime(paths[0], ns=(1, 1))
    build()
    assert len(reads) == 12


def test_a_cut_cache_is_built_again(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", with_rectangle(40, 30, (5, 5, 9, 9)))
    records = [record_of(path, (40, 30))]
    before = cache_of(records, tmp_path / "cache").picture(0)
    (data,) = (tmp_path / "cache").glob("*.bin")
    data.write_bytes(data.read_bytes()[:-100])
    assert np.array_equal(cache_of(records, tmp_path / "cache").picture(0), before)


def test_several_processes_may_ask_at_once_and_one_builds(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", with_rectangle(40, 30, (5, 5, 9, 9)))
    records = [record_of(path, (40, 30))] * 5
    context = multiprocessing.get_context("fork")
    reads = context.Value("i", 0)

    def count(_done: int, _total: int) -> None:
        time.sleep(0.01)
        with reads.get_lock():
            reads.value += 1

    ask = partial(cache_of, records, tmp_path / "cache", progress=count)
    processes = [context.Process(target=ask) for _ in range(3)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert reads.value == 5


def test_scans_that_do_not_fit_their_annotations_are_refused(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", with_rectangle(40, 30, (5, 5, 9, 9)))
    with pytest.raises(DataSetError, match=r"a\.png is 40 by 30, but its annotations say 30 by 40"):
        cache_of([record_of(path, (30, 40))], tmp_path / "cache")
    path.write_bytes(b"no picture")
    with pytest.raises(DataSetError, match=r"a\.png cannot be read"):
        cache_of([record_of(path, (40, 30))], tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("*.json"))


def test_pictures_are_copies(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "a.png", with_rectangle(40, 30, (5, 5, 9, 9)))
    cache = cache_of([record_of(path, (40, 30))], tmp_path / "cache")
    cache.picture(0)[:] = 7
    assert cache.picture(0).max() == 255
