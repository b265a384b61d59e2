"""The behaviour that folders and S3 share, on disk and over HTTP, and their errors."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import socket
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import lance
import pyarrow as pa
import pytest
from botocore.awsrequest import AWSPreparedRequest, AWSResponse

from infra.s3_server import find_program, free_ports, start_s3
from lookdex import storage
from lookdex.errors import ConfigError, CorruptData, StorageError, UnsafeStore
from lookdex.storage import Digest, S3Access, Store, open_store, probe_put_if_absent
from lookdex.storage.s3 import S3Store
from tests.support.servers import S3Server

ODD_KEYS = [
    "a b.jpg",
    "ü/ñ+1.jpg",
    "x%20y",
    "q?#&=.jpg",
    "日本/語.jpg",
    "a+b c",
    "sub/sub/deep.png",
    "emoji-👖.jpg",
]


class RawResponse(io.BytesIO):
    """An empty response body of urllib3."""

    def stream(self, **_: object) -> Iterator[bytes]:
        yield b""


@pytest.mark.parametrize("key", ODD_KEYS)
def test_put_get_list_and_delete(store: Store, key: str) -> None:
    store.put(key, key.encode())
    assert store.get(key) == key.encode()
    assert store.exists(key)
    (listed,) = store.list()
    assert (listed.key, listed.bytes) == (key, len(key.encode()))
    assert store.get_limited(key, 100, listed.etag) == key.encode()
    store.delete(key)
    assert not store.exists(key)
    assert list(store.list()) == []


def test_put_replaces_and_changes_the_etag(store: Store) -> None:
    store.put("k", b"one")
    (before,) = store.list()
    store.put("k", b"another")
    (after,) = store.list()
    assert store.get("k") == b"another"
    assert before.etag != after.etag
    assert '"' not in after.etag


def test_large_file_is_uploaded(store: Store, tmp_path: Path) -> None:
    path = tmp_path / "big"
    path.write_bytes(os.urandom(9_000_000))  # more than one part
    store.put_file("some/big", path)
    assert store.get("some/big") == path.read_bytes()


def test_put_if_absent_refuses_the_second_writer(store: Store) -> None:
    assert store.put_if_absent("n/1.json", b"first")
    assert not store.put_if_absent("n/1.json", b"second")
    assert store.get("n/1.json") == b"first"
    store.delete("n/1.json")
    assert store.put_if_absent("n/1.json", b"third")


def test_one_of_sixteen_concurrent_writers_wins(store: Store) -> None:
    barrier = threading.Barrier(16)

    def write(i: int) -> bool:
        barrier.wait()
        return store.put_if_absent("race", str(i).encode())

    with ThreadPoolExecutor(16) as pool:
        won = list(pool.map(write, range(16)))
    assert won.count(True) == 1
    assert store.get("race") == str(won.index(True)).encode()
    assert [listed.key for listed in store.list()] == ["race"]


def test_digest_of_an_object(store: Store) -> None:
    data = os.urandom(3_000_000)
    store.put("big", data)
    assert store.digest("big") == Digest(hashlib.sha256(data).hexdigest(), len(data))
    with pytest.raises(storage.NotFound):
        store.digest("none")


def test_time_of_the_last_write(store: Store) -> None:
    assert store.last_written("runs/") is None
    store.put("runs/a", b"1")
    store.put("runs/b/c", b"2")
    written = store.last_written("runs/")
    assert written is not None
    assert abs((datetime.now(UTC) - written).total_seconds()) < 60


def test_unfinished_uploads_are_discarded_once_they_are_old(s3: S3Server) -> None:
    store = open_store(s3())
    assert isinstance(store, S3Store)
    client, bucket = store._client, store._bucket
    upload = client.create_multipart_upload(Bucket=bucket, Key=f"{store._prefix}runs/half")
    assert store.discard_unfinished(datetime.now(UTC) - timedelta(hours=1)) == 0
    assert store.discard_unfinished(datetime.now(UTC) + timedelta(hours=1)) == 1
    left = client.list_multipart_uploads(Bucket=bucket, Prefix=store._prefix)
    assert upload["UploadId"] not in {pending["UploadId"] for pending in left.get("Uploads", ())}


def test_errors_are_the_same_in_folders_and_s3(store: Store) -> None:
    store.put("k", b"12345")
    with pytest.raises(storage.NotFound, match="nothing"):
        store.get("nothing")
    with pytest.raises(storage.NotFound):
        store.get_limited("nothing", 10)
    with pytest.raises(storage.NotFound):
        store.get("k/below")
    with pytest.raises(storage.TooLarge, match="5 bytes, more than 4"):
        store.get_limited("k", 4)
    with pytest.raises(storage.Changed, match="listed"):
        store.get_limited("k", 10, "0123")
    assert store.get_limited("k", 5) == b"12345"
    store.delete("nothing")
    assert not store.exists("nothing")


def test_too_large_objects_are_refused_without_reading_them(store: Store) -> None:
    store.put("k", bytes(50_000_000))
    tracemalloc.start()
    try:
        with pytest.raises(storage.TooLarge):
            store.get_limited("k", 1000)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_listing_is_sorted_and_limited_to_the_prefix(store: Store) -> None:
    keys = ["a-b/c", "a.b", "a/b", "a/b c/d", "a0", "b", "ab/x"]
    for key in keys:
        store.put(key, b"")
    assert [listed.key for listed in store.list()] == sorted(keys)
    assert [listed.key for listed in store.list("a/")] == ["a/b", "a/b c/d"]
    assert [listed.key for listed in store.list("a")] == sorted(k for k in keys if k.startswith("a"))
    assert list(store.list("nothing/")) == []
    assert store.prefixes() == ["a-b/", "a/", "ab/"]
    assert store.prefixes("a/") == ["a/b c/"]
    assert store.prefixes("", delimiter="b") == ["a-b", "a.b", "a/b", "ab", "b"]
    level = store.level("a/")
    assert ([listed.key for listed in level.objects], level.prefixes) == (["a/b"], ["a/b c/"])


def test_long_listings_come_in_pages(store: Store) -> None:
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda i: store.put(f"p/{i:05d}", b""), range(1_100)))
    pages = list(store.pages("p/"))
    assert [len(page) for page in pages] == [1000, 100]
    assert [listed.key for listed in store.list()] == [f"p/{i:05d}" for i in range(1_100)]


def test_child_store_has_the_prefix_as_its_root(store: Store) -> None:
    child = store.child("runs/x/")
    child.put("k", b"1")
    assert child.uri == f"{store.uri}/runs/x"
    assert store.get("runs/x/k") == b"1"
    assert [listed.key for listed in child.list()] == ["k"]
    assert child.lance_uri("t.lance") == store.lance_uri("runs/x/t.lance")
    before = store.requests
    child.get("k")
    assert store.requests == before + 1


def test_requests_are_counted(store: Store) -> None:
    store.put("k", b"1")
    store.get("k")
    store.get("k")
    assert store.request_counts == {"PutObject": 1, "GetObject": 2}
    assert store.requests == 3


def test_store_can_be_pickled(store: Store) -> None:
    store.put("k", b"1")
    copy = pickle.loads(pickle.dumps(store))
    assert copy.requests == 0
    code = "import pickle, sys; print(pickle.load(sys.stdin.buffer).get('k'))"
    done = subprocess.run(
        [sys.executable, "-c", code], input=pickle.dumps(store), capture_output=True, check=True
    )
    assert done.stdout.strip() == b"b'1'"


def test_probe_passes_and_leaves_nothing_behind(store: Store) -> None:
    probe_put_if_absent(store)
    assert list(store.list()) == []


def test_probe_refuses_a_store_that_ignores_if_none_match(unsafe_s3: S3Server) -> None:
    store = unsafe_s3.store()
    store.put("k", b"1")
    assert store.get("k") == b"1"
    with pytest.raises(UnsafeStore, match="ignores If-None-Match"):
        probe_put_if_absent(store)
    assert [listed.key for listed in store.list()] == ["k"]


@pytest.mark.parametrize("key", ["../x", "a/../../x", "/etc/passwd", "", "a\0b", ".."])
def test_keys_outside_the_root_folder_are_refused(tmp_path: Path, key: str) -> None:
    store = open_store(tmp_path / "root")
    with pytest.raises(StorageError, match="relative"):
        store.get(key)
    with pytest.raises(StorageError, match="relative"):
        store.put(key, b"1")


def test_unfinished_files_are_not_listed(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.put("a/k", b"1")
    (tmp_path / "a" / ".lookdex-tmp-123").write_bytes(b"half")
    assert [listed.key for listed in store.list()] == ["a/k"]


@pytest.mark.skipif(sys.platform == "win32", reason="no pipes in folders")
@pytest.mark.parametrize("kind", ["a pipe", "a folder", "a socket", "a device"])
def test_special_files_are_refused(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "k"
    with socket.socket(socket.AF_UNIX) as bound:
        make: dict[str, Callable[[], object]] = {
            "a pipe": lambda: os.mkfifo(path),
            "a folder": path.mkdir,
            "a socket": lambda: bound.bind(str(path)),
            "a device": lambda: path.symlink_to("/dev/zero"),
        }
        make[kind]()
    store = open_store(tmp_path)
    reads: list[Callable[[], object]] = [
        lambda: store.get("k"),
        lambda: store.get_limited("k", 10),
        lambda: store.digest("k"),
        lambda: store.ping("k", 1),
    ]
    for read in reads:
        with pytest.raises(CorruptData, match=f"k is damaged: it is {kind}, not a file"):
            read()


def test_invalid_key_is_a_typed_error(store: Store) -> None:
    reads: list[Callable[[], object]] = [
        lambda: store.get("\ud800"),
        lambda: store.digest("\ud800"),
        lambda: store.put("\ud800", b"1"),
        lambda: store.ping("\ud800", 5),
        lambda: list(store.list("\ud800/")),
    ]
    for read in reads:
        with pytest.raises((StorageError, ConfigError)):
            read()


def test_file_does_not_overwrite_a_folder(tmp_path: Path) -> None:
    (tmp_path / "k").mkdir()
    with pytest.raises(storage.NotAFile, match="k is a folder"):
        open_store(tmp_path).put("k", b"1")


def test_links_are_followed_once(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "k.jpg").write_bytes(b"1")
    (tmp_path / "root").mkdir()
    (tmp_path / "root" / "link").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "self").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "dangling").symlink_to(tmp_path / "nothing")
    assert [listed.key for listed in open_store(tmp_path / "root").list()] == ["link/k.jpg"]


def test_listing_is_complete_while_other_files_change(tmp_path: Path) -> None:
    """Files written and deleted meanwhile never hide others: a partial listing would delete photos."""
    store = open_store(tmp_path)
    stay = {f"{folder}/stay-{i}" for folder in "abc" for i in range(50)}
    for key in stay:
        store.put(key, b"")
    stop = threading.Event()

    def write_and_delete() -> None:
        while not stop.is_set():
            for i in range(50):
                store.put(f"b/go-{i}", b"")
            for i in range(50):
                store.delete(f"b/go-{i}")

    thread = threading.Thread(target=write_and_delete)
    thread.start()
    try:
        for _ in range(100):
            assert stay <= {listed.key for listed in store.list()}
    finally:
        stop.set()
        thread.join()


def test_uris_are_parsed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert open_store("x").uri == str(tmp_path / "x")
    assert open_store(f"file://{tmp_path}/a%20b").uri == f"{tmp_path}/a b"
    assert open_store("s3://bucket/a/b/").uri == "s3://bucket/a/b"
    assert open_store("s3a://bucket").uri == "s3://bucket"
    assert open_store("s3://bucket/a").lance_uri("t.lance") == "s3://bucket/a/t.lance"
    for wrong in ("", "gs://bucket/x", "s3://", "https://x"):
        with pytest.raises(ConfigError):
            open_store(wrong)


def test_invalid_credentials_and_missing_buckets_are_reported(s3: S3Server) -> None:
    with pytest.raises(storage.AccessDenied, match="AWS_ACCESS_KEY_ID"):
        open_store("s3://lookdex-test", S3Access(s3.access.endpoint, "nobody", "nothing")).get("k")
    store = open_store("s3://no-such-bucket")
    reads: tuple[Callable[[], object], ...] = (
        lambda: store.get("k"),
        lambda: store.get_limited("k", 9),
        lambda: list(store.list()),
    )
    for read in reads:
        with pytest.raises(ConfigError, match="no such bucket"):
            read()


def test_missing_credentials_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(storage.AccessDenied, match="AWS_PROFILE"):
        open_store("s3://bucket").get("k")
    with pytest.raises(storage.AccessDenied, match="AWS_PROFILE"):
        open_store("s3://bucket").lance_options  # noqa: B018


def test_unreachable_server_is_unavailable() -> None:
    (port,) = free_ports(1)
    with pytest.raises(storage.Unavailable, match=str(port)):
        open_store("s3://b", S3Access(f"http://127.0.0.1:{port}", "a", "b")).get("k")


def test_broken_connection_is_retried() -> None:
    """A server that announces ten bytes and twice closes the connection after five."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        sent: list[bytes] = []

        def serve() -> None:
            for body in (b"01234", b"01234", b"0123456789"):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    head = b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\nETag: "x"\r\nConnection: close\r\n\r\n'
                    connection.sendall(head + body)
                sent.append(body)

        thread = threading.Thread(target=serve)
        thread.start()
        store = open_store("s3://b", S3Access(f"http://127.0.0.1:{listener.getsockname()[1]}", "a", "b"))
        assert store.get("k") == b"0123456789"
        thread.join()
    assert len(sent) == 3


def test_lance_options_have_the_credentials_of_boto3(s3: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    assert open_store("s3://lookdex-test").lance_options == {
        "aws_region": "us-east-1",
        "aws_endpoint": s3.access.endpoint,
        "aws_virtual_hosted_style_request": "false",
        "allow_http": "true",
        "aws_access_key_id": s3.access.access_key,
        "aws_secret_access_key": s3.access.secret_key,
        "aws_session_token": "token",
    }


def test_lance_options_for_amazon_have_the_region_of_the_bucket(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "eu-west-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-west-1")
    store = open_store("s3://bucket")
    assert isinstance(store, S3Store)
    requests: list[str] = []

    def respond(request: AWSPreparedRequest, **_: object) -> AWSResponse:
        requests.append(request.url)
        return AWSResponse(request.url, status[0], {"x-amz-bucket-region": "ap-northeast-2"}, RawResponse())

    store._client.meta.events.register("before-send.s3.HeadBucket", respond)
    options = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    status = [403]  # not allowed: the settings decide
    assert store.lance_options == {"aws_region": "eu-west-1"} | options
    status = [200]
    assert store.lance_options == {"aws_region": "ap-northeast-2"} | options
    assert store.child("x").lance_options == store.lance_options
    assert len(requests) == 2


def test_lance_writes_to_the_uri_of_the_store(store: Store) -> None:
    uri = store.lance_uri("tables/t.lance")
    lance.write_dataset(pa.table({"a": [1, 2]}), uri, storage_options=store.lance_options)
    assert lance.dataset(uri, storage_options=store.lance_options).count_rows() == 2
    assert any(listed.key.startswith("tables/t.lance/data/") for listed in store.list("tables/"))


def test_dev_server_ends_with_its_parent_and_its_data_stay(tmp_path: Path) -> None:
    """After SIGKILL of its parent no server runs, and the next one has all acknowledged data."""
    code = (
        "import os, sys, signal\n"
        "from infra.s3_server import start_s3\n"
        "from lookdex.storage import open_store\n"
        "with start_s3(sys.argv[1]) as server:\n"
        "    store = open_store(server.create_bucket('box'), server.access)\n"
        "    for i in range(50): store.put(f'k{i}', b'kept')\n"
        "    print(server.pid, flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, timeout=120)
    pid = int(done.stdout)
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid}/cmdline").exists() and Path(f"/proc/{pid}/cmdline").read_bytes():
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.05)
    with start_s3(tmp_path) as server:
        store = open_store("s3://box", server.access)
        assert [store.get(f"k{i}") for i in range(50)] == [b"kept"] * 50


def test_dev_server_that_cannot_start_shows_its_log(tmp_path: Path) -> None:
    (tmp_path / "identities.json").write_text(
        '{"identities": [{"credentials": [{"accessKey": "a", "secretKey": "b"}], "actions": 7}]}'
    )
    with pytest.raises(StorageError, match=r"weed\.log"), start_s3(tmp_path, deadline_s=20):
        pass


def test_missing_program_error_names_the_package() -> None:
    with pytest.raises(ConfigError, match="pip install nothing-bin"):
        find_program("no-such-program", "nothing-bin")


def test_dev_server_runs_a_command(tmp_path: Path) -> None:
    code = "import os; from lookdex.storage import open_store; open_store('s3://box').put('k', b'1'); print('done')"
    command = [sys.executable, "-m", "infra.s3_server", "--dir", str(tmp_path), "--bucket", "box", "--"]
    done = subprocess.run([*command, sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout.strip()) == (0, "done"), done.stderr
