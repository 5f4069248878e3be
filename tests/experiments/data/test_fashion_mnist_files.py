"""Where the files of Fashion-MNIST come from, offline, and every way that can fail."""

import contextlib
import functools
import gzip
import http.server
import os
import threading
import time
from pathlib import Path

import pytest
import requests

from experiments.data import fashion_mnist, tfds_files
from experiments.errors import DataError
from tests.experiments import foreign
from tests.experiments.tiny_fashion_mnist import (
    debian_files,
    files,
    folder_of,
    packed,
    stripped,
    use_tiny_files,
)


@pytest.fixture(autouse=True)
def nothing_to_be_had(tmp_path, monkeypatch):
    """Tiny checksums; no package, no internet, no apt: each test adds what it needs."""
    use_tiny_files("http://127.0.0.1:9/", monkeypatch)  # the discard port: refused
    monkeypatch.setattr(fashion_mnist, "INSTALLED", tmp_path / "not installed")
    monkeypatch.setenv("PATH", str(tmp_path / "no tools"))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)


@pytest.fixture
def raw(tmp_path) -> Path:
    (tmp_path / "building").mkdir()
    return tmp_path / "building" / "raw"


@pytest.fixture
def nowhere(tmp_path) -> Path:
    return tmp_path / "no earlier preparation"


def assert_published(raw: Path):
    assert {path.name: path.read_bytes() for path in raw.iterdir()} == files()
    assert [path.name for path in raw.parent.iterdir()] == ["raw"]


def test_the_internet_and_checksums_are_those_of_tfds(monkeypatch):
    monkeypatch.undo()
    assert set(fashion_mnist.URLS) == set(fashion_mnist.FILES)
    assert all(url.startswith("http") for url in fashion_mnist.URLS.values())
    assert {len(info.checksum) for info in fashion_mnist.CHECKSUMS.values()} == {64}
    assert fashion_mnist.FashionMnist.url_infos is fashion_mnist.CHECKSUMS


@pytest.mark.parametrize("contents", [files, debian_files])
def test_originals_and_debian_copies_both_become_the_originals(
    tmp_path, raw, nowhere, contents
):
    fashion_mnist.obtain(raw, folder_of(tmp_path / "given", contents()), nowhere)
    assert_published(raw)


def test_header_is_restored_only_where_it_was_stripped():
    for name, data in files().items():
        assert fashion_mnist.with_published_header(name, stripped(name, data)) == data
        for other in (data, b"", b"\x1f\x8b", b"PK\x03\x00" + data[4:]):
            assert fashion_mnist.with_published_header(name, other) == other


DAMAGE = {
    "truncated": lambda data: data[:-9],
    "one bit": lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
    "empty": lambda data: b"",
    "a web page": lambda data: b"<html>please log in</html>",
    "unpacked": gzip.decompress,
    "another set": lambda data: packed("t10k-images-idx3-ubyte.gz", b"digits"),
}


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE.keys())
@pytest.mark.parametrize("contents", [files, debian_files])
def test_wrong_files_are_named(tmp_path, raw, nowhere, contents, damage):
    name = "t10k-images-idx3-ubyte.gz"
    wrong = {**contents(), name: damage(contents()[name])}
    with pytest.raises(DataError, match="is not the published file") as caught:
        fashion_mnist.obtain(raw, folder_of(tmp_path / "given", wrong), nowhere)
    assert str(tmp_path / "given" / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("make", [os.mkfifo, foreign.huge])
def test_what_might_never_end_is_named_at_once(tmp_path, raw, nowhere, make):
    name = "train-labels-idx1-ubyte.gz"
    rest = {k: v for k, v in files().items() if k != name}
    make(folder_of(tmp_path / "given", rest) / name)
    with pytest.raises(DataError, match=f"{name} cannot be read .* must hold train"):
        fashion_mnist.obtain(raw, tmp_path / "given", nowhere)


@pytest.mark.parametrize("missing", ["folder", "file", "file is a folder"])
def test_missing_files_are_named(tmp_path, raw, nowhere, missing):
    name = "train-labels-idx1-ubyte.gz"
    data_dir = tmp_path / "given"
    if missing != "folder":
        folder_of(data_dir, {k: v for k, v in files().items() if k != name})
    if missing == "file is a folder":
        (data_dir / name).mkdir()
    with pytest.raises(DataError, match="cannot be read .* must hold train-images"):
        fashion_mnist.obtain(raw, data_dir, nowhere)


def test_a_folder_that_the_user_names_is_the_only_source(tmp_path, raw, monkeypatch):
    installed = folder_of(tmp_path / "usr", files())
    monkeypatch.setattr(fashion_mnist, "INSTALLED", installed)
    with pytest.raises(DataError, match="elsewhere"):
        fashion_mnist.obtain(raw, tmp_path / "elsewhere", installed)


def test_an_installed_package_is_used(tmp_path, raw, nowhere, monkeypatch):
    installed = folder_of(tmp_path / "usr", debian_files())
    monkeypatch.setattr(fashion_mnist, "INSTALLED", installed)
    fashion_mnist.obtain(raw, None, nowhere)
    assert_published(raw)


def test_files_of_an_earlier_preparation_come_first(tmp_path, raw, monkeypatch):
    monkeypatch.setattr(
        fashion_mnist, "_installed", lambda scratch: pytest.fail("tried")
    )
    fashion_mnist.obtain(raw, None, folder_of(tmp_path / "earlier" / "raw", files()))
    assert_published(raw)


def test_a_damaged_source_gives_way_to_the_next(tmp_path, raw, monkeypatch):
    damaged = {name: data[:-1] for name, data in files().items()}
    installed = folder_of(tmp_path / "usr", debian_files())
    monkeypatch.setattr(fashion_mnist, "INSTALLED", installed)
    fashion_mnist.obtain(raw, None, folder_of(tmp_path / "earlier", damaged))
    assert_published(raw)


@contextlib.contextmanager
def served(folder: Path):
    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    with served_by(functools.partial(Quiet, directory=str(folder))) as url:
        yield url


@contextlib.contextmanager
def served_by(handler):
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}/"
        finally:
            server.shutdown()
            thread.join()


def test_download_through_tfds(tmp_path, raw, nowhere, monkeypatch):
    with served(folder_of(tmp_path / "web", files())) as url:
        use_tiny_files(url, monkeypatch)
        fashion_mnist.obtain(raw, None, nowhere)
    assert_published(raw)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: data[:-1], "gz is not the published file"),
        (None, "reach: HTTPError"),
    ],
)
def test_a_download_that_is_not_the_file(
    tmp_path, raw, nowhere, monkeypatch, damage, reason
):
    web = {name: damage(data) for name, data in files().items() if damage}
    with served(folder_of(tmp_path / "web", web)) as url:
        use_tiny_files(url, monkeypatch)
        with pytest.raises(DataError, match=reason):
            fashion_mnist.obtain(raw, None, nowhere)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("stall", "failed: ConnectionError"), ("error", "failed: HTTPError")],
)
def test_a_download_that_stalls_or_fails_is_given_up_soon(
    raw, nowhere, monkeypatch, behaviour, reason
):
    class Bad(http.server.BaseHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

        def do_HEAD(self):
            self.send_response(200)
            self.end_headers()

        def do_GET(self):
            if behaviour == "error":
                return self.send_error(500)
            self.send_response(200)
            self.send_header("Content-Length", "1000")
            self.end_headers()
            self.wfile.write(b"half")
            released.wait(60)

    released = threading.Event()
    monkeypatch.setattr(tfds_files, "_STALL_SECONDS", 0.2, raising=False)
    with served_by(Bad) as url:
        use_tiny_files(url, monkeypatch)
        begin = time.monotonic()
        with pytest.raises(DataError, match=reason):
            fashion_mnist.obtain(raw, None, nowhere)
        seconds = time.monotonic() - begin
        released.set()
    assert seconds < 20


def test_a_silent_network_is_given_up_soon(raw, nowhere, monkeypatch):
    released = threading.Event()

    def hang(url, timeout):
        released.wait(60)
        raise requests.ConnectionError("too late")

    monkeypatch.setattr(tfds_files, "_PROBE_SECONDS", 0.01)
    monkeypatch.setattr(requests, "head", hang)
    with pytest.raises(DataError, match="no answer in 0.01 s"):
        fashion_mnist.obtain(raw, None, nowhere)
    released.set()


# $APT is "listless" where only lists of one's own help, and "broken" where none do.
FAKE_APT = """#!/bin/sh
fail() { echo "W: Odd." >&2; echo "E: $1" >&2; exit 100; }
case "$*" in
  *Dir::State::Lists=$PWD/lists*update) touch lists/updated; fail "another source" ;;
  *Dir::State::Lists=$PWD/lists*download*)
    test "$APT" = listless && test -e lists/updated || fail "still broken" ;;
  *download*) test -z "$APT" || fail "Unable to locate package" ;;
esac
echo "$*" >"dataset-fashion-mnist_0_all.deb"
"""
FAKE_DPKG = """#!/bin/sh
test "$1" = -x && test -e "$2" && mkdir -p "$3" && cp -R "$PACKAGED/." "$3"
"""


@pytest.fixture
def apt(tmp_path, monkeypatch):
    """Stand-ins for apt-get and dpkg-deb with a package of tiny stripped files."""
    tools = {"apt-get": FAKE_APT.encode(), "dpkg-deb": FAKE_DPKG.encode()}
    for tool in folder_of(tmp_path / "tools", tools).iterdir():
        tool.chmod(0o755)
    monkeypatch.setattr(fashion_mnist, "INSTALLED", Path("/usr/share/not-installed"))
    folder_of(tmp_path / "packaged/usr/share/not-installed", debian_files())
    monkeypatch.setenv("PACKAGED", str(tmp_path / "packaged"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'tools'}:/usr/bin:/bin")
    return monkeypatch


@pytest.mark.parametrize("state", ["", "listless"])
def test_the_package_is_fetched_and_unpacked(raw, nowhere, apt, state):
    apt.setenv("APT", state)
    fashion_mnist.obtain(raw, None, nowhere)
    assert_published(raw)


def test_everything_that_was_tried_is_told_with_the_ways_out(raw, nowhere, apt):
    apt.setenv("APT", "broken")
    with pytest.raises(DataError) as caught:
        fashion_mnist.obtain(raw, None, nowhere)
    sentence = str(caught.value)
    for part in (
        *("package dataset-fashion-mnist is not installed", "out of reach"),
        *("apt-get failed: E: Unable to locate package", "connect to the internet"),
        *("install the Debian package", "--data-dir", "four .gz files"),
    ):
        assert part in sentence
    assert "\n" not in sentence


def test_a_command_that_hangs_is_stopped(tmp_path, raw, nowhere, apt):
    (tmp_path / "tools" / "apt-get").write_text("#!/bin/sh\nexec sleep 60\n")
    apt.setattr(fashion_mnist, "_COMMAND_SECONDS", 0.05)
    with pytest.raises(DataError, match="apt-get took over 0.05 s"):
        fashion_mnist.obtain(raw, None, nowhere)


def test_a_machine_without_apt(raw, nowhere):
    with pytest.raises(DataError, match="this machine has no apt-get"):
        fashion_mnist.obtain(raw, None, nowhere)
