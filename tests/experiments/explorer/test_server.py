"""Where the page is served, and to whom."""

import socket

import pytest

from experiments.errors import ConfigError
from experiments.explorer import server
from tests.experiments.messages import assert_one_sentence


@pytest.mark.parametrize(
    ("host", "names"),
    [
        ("127.0.0.1", ["localhost:80", "127.0.0.1:80"]),
        ("localhost", ["localhost:80", "127.0.0.1:80", "[::1]:80"]),
        ("::1", ["localhost:80", "[::1]:80"]),
        ("192.0.2.7", ["192.0.2.7:80"]),
        ("host.example", ["host.example:80"]),
    ],
)
def test_only_pages_of_the_server_may_talk_to_it(host, names):
    assert server.origins(host, 80) == names


def test_all_networks_are_named_one_by_one():
    names = server.origins("0.0.0.0", 80)
    assert {"localhost:80", f"{socket.gethostname()}:80"} <= set(names)
    assert not any("*" in name for name in names)


@pytest.mark.parametrize(
    ("host", "port", "says"),
    [
        ("127.0.0.1", 0, "port must lie between 1 and 65535, got 0"),
        ("127.0.0.1", 70000, "got 70000"),
        ("192.0.2.7", 5006, "host must be a name or an address of this machine"),
        ("no such host", 5006, "got 'no such host'"),
    ],
)
def test_where_it_cannot_listen_is_a_sentence(host, port, says):
    with pytest.raises(ConfigError, match=says) as error:
        server.serve(host, port, False, print)
    assert_one_sentence(str(error.value))


def test_a_port_in_use_is_a_sentence():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"port {port} is in use") as error:
            server.serve("127.0.0.1", port, False, print)
    assert_one_sentence(str(error.value))
