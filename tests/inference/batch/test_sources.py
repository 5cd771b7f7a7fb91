"""Sources: every kind of word gives its inputs, as a stream that is never held."""

import io
import os
import sys
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest

pa = pytest.importorskip("pyarrow", reason="pyarrow is not installed: no tables are tested")
import pyarrow.parquet as pq  # noqa: E402

from cargosight_inference.batch import listing, s3  # noqa: E402
from cargosight_inference.batch.places import BatchError  # noqa: E402
from cargosight_inference.batch.sources import Denied, Item, changed, open_input, read_sources, shown  # noqa: E402
from cargosight_inference.batch.tables import TableOptions  # noqa: E402
from cargosight_inference.inputs import expand  # noqa: E402
from cargosight_models.errors import MissingExtraError, ScanError, UsageError  # noqa: E402
from tests.made.s3 import BUCKET, S3Server, s3_server  # noqa: E402, F401 - a fixture


def _scans(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"\xff\xd8\xff" + name.encode())
    return folder


def _paths(*words: object, **options: object) -> list[str]:
    return [item.path for item in read_sources([str(word) for word in words], **options)]  # type: ignore[arg-type]


@pytest.fixture
def memory() -> Iterator[str]:
    """A folder in a storage that fsspec knows."""
    fsspec = pytest.importorskip("fsspec", reason="fsspec is not installed: no storage is tested")
    storage = fsspec.filesystem("memory")
    yield "memory://archive"
    storage.rm("/archive", recursive=True)


def test_a_folder_gives_what_inspect_finds_in_it(tmp_path: Path) -> None:
    _scans(tmp_path, "b10.jpg", "b2.jpg", "a/c.png", "a/.hidden.jpg", "z/y/x.tif", "no-suffix", "a.jpg/d.jpg")
    (tmp_path / "notes.txt").write_text("no scan")
    (tmp_path / "lost.jpg").symlink_to(tmp_path / "gone")
    (tmp_path / "bag.overlay.png").touch()
    (tmp_path / "bag.inspection.json").write_text('{"absolute_path": "x"}')
    assert _paths(tmp_path) == [found.path for found in expand([str(tmp_path)], stop=Event())]
    assert f"{tmp_path}/b2.jpg" in _paths(tmp_path)
    assert _paths(tmp_path, skip=str(tmp_path / "a")) == [
        found.path for found in expand([str(tmp_path)], skip_folder=tmp_path / "a", stop=Event())
    ]


def test_local_inputs_have_size_and_version(tmp_path: Path) -> None:
    file = _scans(tmp_path, "a.jpg") / "a.jpg"
    (item,) = read_sources([str(file)])
    assert item == Item(str(file), file.stat().st_size, str(file.stat().st_mtime_ns))
    body = open_input(item.path)
    assert body.read() == file.read_bytes()
    assert not changed(item, body.size, body.version)
    body.close()
    os.utime(file, ns=(1, 1))
    body = open_input(item.path)
    assert changed(item, body.size, body.version)
    body.close()


def test_a_pattern_gives_what_inspect_finds(tmp_path: Path) -> None:
    _scans(tmp_path, "b10.jpg", "b2.jpg", "bf/c.png", "x.jpg")
    pattern = str(tmp_path / "b*")
    assert _paths(pattern) == [found.path for found in expand([pattern], stop=Event())]
    with pytest.raises(UsageError, match="nothing matches"):
        read_sources([str(tmp_path / "q*")])
    with pytest.raises(UsageError, match="there is no file or folder"):
        read_sources([str(tmp_path / "q")])
    with pytest.raises(UsageError, match="nothing to inspect"):
        read_sources([])


def test_a_list_gives_its_lines_also_of_what_does_not_exist(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    listed = tmp_path / "list.txt"
    listed.write_bytes(b"\xef\xbb\xbfa.jpg\r\n\nfolder/b c.jpg\ns3://b/k.jpg\n\xe9.jpg")
    found = list(read_sources([f"@{listed}"]))
    assert [item.path for item in found] == [
        str(tmp_path / "a.jpg"),
        str(tmp_path / "folder" / "b c.jpg"),
        "s3://b/k.jpg",
        str(tmp_path / "\udce9.jpg"),
    ]
    assert all(item.size is None and item.version is None for item in found)
    assert shown(found[-1].path).endswith(r"/\xe9.jpg")
    with pytest.raises(UsageError, match="there is no list"):
        read_sources([f"@{tmp_path / 'none'}"])
    listed.write_bytes(b"x" * 3_000_000)
    with pytest.raises(UsageError, match="a line of more than 65,536 bytes"):
        list(read_sources([f"@{listed}"]))


def test_stdin_gives_its_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("a.jpg\nb.jpg\n"))
    assert _paths("-") == [str(Path("a.jpg").absolute()), str(Path("b.jpg").absolute())]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_text_table_carries_its_columns(tmp_path: Path, delimiter: str) -> None:
    table = tmp_path / "list.csv"
    rows = [["day", "path", "note"], ["2026-01-01", "a.jpg", '"two\nlines"'], ["", "b.jpg", "x"]]
    table.write_text("\n".join(delimiter.join(row) for row in rows), encoding="utf-8-sig")
    sources = read_sources([str(table)])
    assert sources.extra_columns == ("day", "note")
    assert [(item.path, dict(item.extra)) for item in sources] == [
        (str(Path("a.jpg").absolute()), {"day": "2026-01-01", "note": "two\nlines"}),
        (str(Path("b.jpg").absolute()), {"day": None, "note": "x"}),
    ]


def test_a_parquet_table_carries_its_columns_as_text(tmp_path: Path) -> None:
    table = tmp_path / "list.parquet"
    columns = {"lane": [1, None], "where": ["a.jpg", "b.jpg"], "boxes": [[1], [2]]}
    pq.write_table(pa.table(columns), table)
    options = TableOptions(path_column="where", columns=("lane",))
    sources = read_sources([str(table)], table=options)
    assert [(item.path, dict(item.extra)) for item in sources] == [
        (str(Path("a.jpg").absolute()), {"lane": "1"}),
        (str(Path("b.jpg").absolute()), {"lane": None}),
    ]
    with pytest.raises(UsageError, match=r"the column boxes of .* is list.*--columns where"):
        list(read_sources([str(table)], table=TableOptions(path_column="where")))


def test_a_parquet_table_with_bytes_says_which_column_they_are_in(tmp_path: Path) -> None:
    table = tmp_path / "list.parquet"
    thumbnails = pa.array([b"\xff\xd8", b"\xff\xd8"], pa.binary())
    columns = {"path": ["a.jpg", "b.jpg"], "lane": [b"1", b"2"], "thumbnail": thumbnails}
    pq.write_table(pa.table(columns), table)
    with pytest.raises(UsageError, match=r"the column thumbnail of .* is binary .*--columns path"):
        list(read_sources([str(table)]))
    found = read_sources([str(table)], table=TableOptions(columns=("lane",)))  # bytes that are text
    assert [dict(item.extra) for item in found] == [{"lane": "1"}, {"lane": "2"}]
    found = read_sources([str(table)], table=TableOptions(columns=("path",)))
    assert [dict(item.extra) for item in found] == [{}, {}]
    with pytest.raises(UsageError, match=r"the column thumbnail of .* --path-column"):
        list(read_sources([str(table)], table=TableOptions(path_column="thumbnail", columns=("lane",))))


def test_several_tables_have_the_columns_of_all(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("path,day\na.jpg,1\n")
    (tmp_path / "b.csv").write_text("lane,path\n7,b.jpg\n")
    sources = read_sources([str(tmp_path / "*.csv")])
    assert sources.extra_columns == ("day", "lane")
    assert [dict(item.extra) for item in sources] == [{"day": "1"}, {"lane": "7"}]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("file,day\na,1\n", "has no column 'path'.* it has file, day"),
        ("path,day,day\n", "two columns called 'day'"),
        ("path,day\na.jpg\n", "line 2 of .* has 1 cells; expected 2"),
        ("path,day\n,1\n", "row 1 of .* has nothing in the column path"),
        ("", "is empty"),
        ('path\n"a', "cannot be read as a table of text"),
    ],
)
def test_a_wrong_text_table_is_told(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "t.csv").write_text(text)
    with pytest.raises(UsageError, match=sentence):
        list(read_sources([str(tmp_path / "t.csv")]))


def test_a_damaged_parquet_table_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(UsageError, match="cannot be read as a Parquet table"):
        read_sources([str(tmp_path / "t.parquet")])


def test_inputs_that_cannot_be_opened_are_their_own_result(tmp_path: Path) -> None:
    with pytest.raises(ScanError, match="there is no file"):
        open_input(str(tmp_path / "none.jpg"))
    with pytest.raises(ScanError, match="cannot be opened"):
        open_input(str(tmp_path))
    with pytest.raises(ScanError, match="cannot be opened"):
        open_input("a\0b")


def test_a_bucket_is_listed_page_by_page(s3_server: S3Server) -> None:  # noqa: F811
    keys = [f"list/{day:02d}/scan {number}.jpg" for day in range(3) for number in range(9)]
    s3_server.put(*keys, "list/notes.txt", "list/.hidden/a.jpg", "list-other/a.jpg", "list/out/x.png")
    found = list(read_sources([f"s3://{BUCKET}/list"], skip=f"s3://{BUCKET}/list/out"))
    assert [item.path for item in found] == [f"s3://{BUCKET}/{key}" for key in sorted(keys)]
    assert {item.size for item in found} == {4}
    body = open_input(found[0].path)
    assert (body.read(1), body.read()) == (b"s", b"can")
    assert not changed(found[0], body.size, body.version)
    body.close()
    s3_server.put(keys[0], content=b"another scan")
    body = open_input(found[0].path)
    assert changed(found[0], body.size, body.version)
    body.close()


def test_one_object_a_pattern_and_what_is_not_there(s3_server: S3Server) -> None:  # noqa: F811
    s3_server.put("glob/a/1.jpg", "glob/a/2.png", "glob/b/1.jpg", "glob/b/c/1.jpg", "glob/x[1].jpg")
    assert _paths(f"s3://{BUCKET}/glob/a/1.jpg") == [f"s3://{BUCKET}/glob/a/1.jpg"]
    assert _paths(f"s3://{BUCKET}/glob/x[1].jpg") == [f"s3://{BUCKET}/glob/x[1].jpg"]
    assert _paths(f"s3://{BUCKET}/glob/*/1.jpg") == [f"s3://{BUCKET}/glob/{at}/1.jpg" for at in "ab"]
    assert len(_paths(f"s3://{BUCKET}/glob/**/1.jpg")) == 3
    assert _paths(f"s3://{BUCKET}/nothing") == []
    with pytest.raises(ScanError, match=r"there is no file s3://archive/none\.jpg"):
        open_input(f"s3://{BUCKET}/none.jpg")


def test_what_is_wrong_with_one_object_is_its_result(s3_server: S3Server) -> None:  # noqa: F811
    s3_server.put("cold/scan.jpg")
    s3_server.client.put_object(Bucket=BUCKET, Key="cold/archived.jpg", Body=b"x", StorageClass="GLACIER")
    for url, sentence in [
        ("s3://nosuchbucket/y.jpg", r"s3://nosuchbucket/y\.jpg cannot be read: NoSuchBucket"),
        (
            f"s3://{BUCKET}/cold/archived.jpg",
            r"archived\.jpg cannot be read: InvalidObjectState.*; restore it",
        ),
        ("s3://Bad Bucket/y.jpg", "names the bucket 'Bad Bucket'; expected a name of letters"),
        (f"s3://{BUCKET}/", "names no object; expected s3://bucket/key"),
        ("s3://arn:aws:nothing/y.jpg", "cannot be asked for: Parameter validation failed"),
        ("nope://x/y.jpg", "in no storage that fsspec knows"),
        ("s3:///y.jpg", "names no bucket"),
    ]:
        with pytest.raises(ScanError, match=sentence) as told:
            open_input(url)
        assert "\n" not in str(told.value)


@pytest.mark.parametrize(
    ("code", "status", "kind"),
    [
        ("AccessDenied", 403, Denied),
        ("KeyTooLongError", 400, ScanError),
        ("PermanentRedirect", 301, ScanError),
        ("ExpiredToken", 400, BatchError),
        ("InvalidAccessKeyId", 403, BatchError),
        ("SignatureDoesNotMatch", 403, BatchError),
        ("RequestTimeTooSkewed", 403, BatchError),
        ("SlowDown", 503, BatchError),
        ("InternalError", 500, BatchError),
        ("TooManyRequests", 429, BatchError),
    ],
)
def test_an_answer_of_s3_is_of_the_object_or_of_the_run(
    s3_server: S3Server,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    code: str,
    status: int,
    kind: type[Exception],
) -> None:
    from botocore.exceptions import ClientError

    def answer(**asked: str) -> None:
        raise ClientError(
            {"Error": {"Code": code, "Message": "so"}, "ResponseMetadata": {"HTTPStatusCode": status}},  # type: ignore[typeddict-item, unused-ignore]
            "GetObject",
        )

    monkeypatch.setattr(s3.client(), "get_object", answer)
    with pytest.raises(kind, match=f"{code}, so") as told:
        open_input(f"s3://{BUCKET}/a.jpg")
    assert told.type is kind


def test_without_credentials_the_run_ends(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    s3.forget_client()
    with pytest.raises(BatchError, match="credentials"):
        open_input(f"s3://{BUCKET}/a.jpg")
    s3.forget_client()


def test_an_endpoint_without_a_scheme_is_told(s3_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    monkeypatch.setenv("AWS_ENDPOINT_URL", "localhost:9000")
    s3.forget_client()
    sentence = "S3 cannot be set up: Invalid endpoint: localhost:9000; expected http://… or https://…"
    with pytest.raises(BatchError, match=sentence):
        open_input(f"s3://{BUCKET}/a.jpg")
    s3.forget_client()


def test_tables_and_lists_in_a_bucket(s3_server: S3Server) -> None:  # noqa: F811
    s3_server.put("tables/t.csv", content=b"path,day\na.jpg,1\n")
    s3_server.put("tables/list.txt", content=b"b.jpg\nc.jpg\n")
    sources = read_sources([f"s3://{BUCKET}/tables/t.csv", f"@s3://{BUCKET}/tables/list.txt"])
    assert [(item.path, dict(item.extra)) for item in sources] == [
        (str(Path("a.jpg").absolute()), {"day": "1"}),
        (str(Path("b.jpg").absolute()), {}),
        (str(Path("c.jpg").absolute()), {}),
    ]


def test_a_storage_that_fsspec_knows(memory: str) -> None:
    import fsspec

    for name in ("b10.jpg", "b2.jpg", "deep/er/c.png", "notes.txt", ".hidden.jpg"):
        with fsspec.open(f"{memory}/{name}", "wb") as file:
            file.write(b"scan")
    found = list(read_sources([memory]))
    assert [item.path.split("archive/")[1] for item in found] == ["b2.jpg", "b10.jpg", "deep/er/c.png"]
    assert all(item.size == 4 and item.version for item in found)
    assert len(_paths(f"{memory}/b*.jpg")) == 2
    body = open_input(found[0].path)
    assert body.read() == b"scan"
    assert not changed(found[0], body.size, body.version)
    body.close()
    with pytest.raises(ScanError, match="there is no file"):
        open_input(f"{memory}/none.jpg")
    with pytest.raises(UsageError, match="there is no file or folder"):
        _paths(f"{memory}/none")


def test_a_storage_that_is_not_known_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="in no storage that fsspec knows"):
        read_sources(["nosuch://b/k"])
    with pytest.raises(UsageError, match="a chain of storages"):
        read_sources(["simplecache::memory://b/k"])
    monkeypatch.setitem(sys.modules, "fsspec.core", None)
    with pytest.raises(MissingExtraError, match=r"cargosight\[batch\]"):
        read_sources(["memory://b/k"])


def test_many_names_are_sorted_without_being_held() -> None:
    count = 60_000
    names = (f"scan{number * 7919 % count}.jpg" for number in range(count))
    tracemalloc.start()
    try:
        before = None
        for number, name in enumerate(listing.in_order(names, key=lambda name: int(name[4:-4]), held=2_000)):
            assert name == f"scan{number}.jpg"
            before = name
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert before == f"scan{count - 1}.jpg"
    assert peak < 2_000_000  # the names alone would take more than 3 MB


def test_a_stop_ends_the_listing(tmp_path: Path) -> None:
    stop = Event()
    found = iter(read_sources([str(_scans(tmp_path, "a.jpg", "b.jpg", "c.jpg"))], stop=stop))
    next(found)
    stop.set()
    assert list(found) == []
