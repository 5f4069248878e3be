"""Where the page is served, to whom, and what is left when they have gone."""

import http.client
import json
import re
import signal
import socket
import subprocess
import sys
import time
from urllib.parse import urlsplit

import pytest

from experiments.errors import ConfigError
from experiments.explorer import server
from tests.experiments.messages import assert_one_sentence

# Serves at one host after the other, as the command does at one, and counts what there
# is of documents and pages whenever it is asked.
PROGRAM = """
import gc, sys, threading
from bokeh.document import Document
from experiments.explorer import page, server

def count(kind):
    gc.collect()
    return sum(isinstance(one, kind) for one in gc.get_objects())

def answer():
    for line in sys.stdin:
        print([count(page.Explorer), count(Document)], flush=True)

threading.Thread(target=answer, daemon=True).start()
server.KEPT, server.SEEN_TO = 300, 200
port, *hosts = sys.argv[1:]
for host in hosts:
    say = lambda address: print(address, flush=True)
    server.serve(host, int(port), False, say, "explorer.example")
print(len(gc.get_objects()))
"""
HOSTS = ("127.0.0.1", "localhost", "0.0.0.0", "::", "::1")


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("127.0.0.1", "localhost"),
        ("localhost", "localhost"),
        ("0.0.0.0", "localhost"),
        ("::", "[::1]"),
        ("::1", "[::1]"),
        ("0:0:0:0:0:0:0:1", "[::1]"),
        ("127.0.0.2", "127.0.0.2"),
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8::7", "[2001:db8::7]"),
        ("Host.example", "host.example"),
    ],
)
def test_the_address_that_is_printed_can_be_opened(host, found):
    assert server.url(host, 80) == f"http://{found}:80/"
    assert re.fullmatch(server.known(host), found)


ALL = ("127.0.0.1", "0.0.0.0", "::", "192.0.2.7", "host.example")
WIDE = ("0.0.0.0", "::", "host.example")  # reached by numbers that are not known here


@pytest.mark.parametrize(
    ("name", "hosts"),
    [
        ("localhost", ALL),
        ("[::1]", ALL),
        ("127.0.0.1", ALL),
        ("proxy.example", ALL),
        (socket.gethostname().lower(), ("0.0.0.0", "::")),
        ("192.0.2.7", (*WIDE, "192.0.2.7")),
        ("192.0.2.8", WIDE),
        ("[2001:db8::7]", WIDE),
        ("host.example", ("host.example",)),
        ("evil.example", ()),
        ("localhost.evil.example", ()),
        ("xlocalhost", ()),
        ("127x0x0x1", ()),
        ("192.0.2.7.evil.example", ()),
        ("", ()),
    ],
)
def test_only_names_that_no_other_site_can_have_are_known(name, hosts):
    taken = {h for h in ALL if re.fullmatch(server.known(h, "Proxy.example"), name)}
    assert taken == set(hosts)


@pytest.mark.parametrize(
    ("host", "port", "name", "says"),
    [
        ("127.0.0.1", 0, "", "port must lie between 1 and 65535, got 0"),
        ("127.0.0.1", 70000, "", "got 70000"),
        ("192.0.2.7", 5006, "", "host must be a name or an address of this machine"),
        ("no such host", 5006, "", "got 'no such host'"),
        ("", 5006, "", "got ''"),
        ("127.0.0.1", 5006, "https://a.example/", "name must be that of a host alone"),
    ],
)
def test_where_it_cannot_listen_is_a_sentence(host, port, name, says):
    with pytest.raises(ConfigError, match=says) as error:
        server.serve(host, port, False, print, name)
    assert_one_sentence(str(error.value))


def test_a_port_in_use_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use") as error:
            server.serve("127.0.0.1", port, False, print)
    assert_one_sentence(str(error.value))


def get(address, path="/", host=None, wait=True, **headers):
    """The status and the text of an answer, to whatever the server is called."""
    place = urlsplit(address)
    connection = http.client.HTTPConnection(place.hostname, place.port, timeout=60)
    try:
        headers["Host"] = host or place.netloc
        connection.request("GET", path, headers=headers)
        if not wait:
            return 0, ""
        answer = connection.getresponse()
        return answer.status, "" if answer.status == 101 else answer.read().decode()
    finally:
        connection.close()


def token_of(address):
    """What a page that is loaded there may open its websocket with."""
    status, text = get(address)
    assert status == 200
    [token] = re.findall(r'"token":"([^"]+)"', text)
    return token


def connect(address, token, host, origin, wait=True):
    """The status of a page's websocket; without waiting it is left before it opens."""
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Protocol": f"bokeh, {token}",
    }
    return get(address, "/ws", host, wait, Origin=origin, **upgrade)[0]


@pytest.fixture
def started():
    """The port of the program, and it."""
    with socket.create_server(("", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-c", PROGRAM, f"{port}", *HOSTS]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        yield port, process
        process.kill()  # which has ended, unless something failed


def test_pages_end_with_their_visits_and_the_server_at_once(started):
    port, process = started

    def line():
        return process.stdout.readline().strip()

    def left():
        print(file=process.stdin, flush=True)
        return json.loads(line())

    # To whom it answers, as it is called; a proxy's name comes without the port.
    site = line()
    token = token_of(site)
    for host, answer in {
        f"localhost:{port}": 200,
        "explorer.example": 200,
        f"evil.example:{port}": 403,
    }.items():
        assert get(site, "/static/js/bokeh.min.js", host)[0] == answer
        greeting = 101 if answer == 200 else 403
        assert connect(site, token, host, f"http://{host}") == greeting
    assert get(site, "/", f"evil.example:{port}")[0] == 403
    for stranger in ("http://evil.example", "http://localhost:1"):
        assert connect(site, token, f"localhost:{port}", stranger) == 403

    for _ in range(5):
        connect(site, token, f"localhost:{port}", site[:-1], wait=False)

    # What was shown is given back: pages alone, and those with a websocket, even where
    # that was left at once; but for the document that Bokeh starts with.
    for _ in range(30):
        if left() == [0, 1]:
            break
        time.sleep(0.1)
    assert left() == [0, 1]

    for host in HOSTS[1:]:
        process.send_signal(signal.SIGINT)  # Ctrl-C
        site = line()
        assert site == server.url(host, port)
        netloc = urlsplit(site).netloc
        assert connect(site, token_of(site), netloc, f"http://{netloc}") == 101
    process.send_signal(signal.SIGINT)
    # Of what Python goes through once more at its end, which was 400,000 and more.
    assert int(process.stdout.read()) < 10_000
    assert process.wait(60) == 0
