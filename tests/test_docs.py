"""The site: it builds without a warning, leaves no name out and needs no other host."""

import html.parser
import pathlib
import posixpath
import re
import subprocess
import sys

import pytest
from sphinx.util.inventory import InventoryFile

from .test_public_surface import CLASSES, FUNCTIONS, READY

ROOT = pathlib.Path(__file__).parent.parent
# Attributes by which a page asks for something that it shows or runs.
SOURCES = {"src", "srcset", "poster", "data"}


@pytest.fixture(scope="module")
def build(tmp_path_factory):
    """The folder of the site, and what Sphinx had to say."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-c", "docs"]
    run = subprocess.run(
        [*command, "-d", folder / "doctrees", ".", folder / "html"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    return folder / "html", run


@pytest.fixture(scope="module")
def site(build):
    return build[0]


@pytest.fixture(scope="module")
def documented(site):
    """Full name of whatever is documented → its page."""
    with (site / "objects.inv").open("rb") as file:
        inventory = InventoryFile.load(file, "", posixpath.join)
    return {
        name: item.uri.partition("#")[0]
        for kind in ("py:function", "py:class")
        for name, item in inventory[kind].items()
    }


def test_site_is_built_without_a_warning(build):
    _, run = build
    assert (run.returncode, run.stderr) == (0, "")


# Not one test a name: they would be spread over processes that build a site each.
def test_every_public_name_is_documented(documented):
    missing = {f"optax_sign.{name}" for name in [*FUNCTIONS, *CLASSES]} - {*documented}
    assert not missing, f"docs/api.md leaves out {missing}"


def test_every_optimizer_has_its_page(site, documented):
    overview = (site / "docs/optimizers/index.html").read_text("utf-8")
    for name in [*READY, "hyperball"]:
        page = f"docs/optimizers/{name}.html"
        assert documented[f"optax_sign.{name}"] == page, f"{name} has no page"
        assert f'"{name}.html"' in overview, f"the overview leaves out {name}"


class Requests(html.parser.HTMLParser):
    """Collects what a page asks for by itself; links wait to be clicked."""

    def __init__(self):
        super().__init__()
        self.addresses = []

    def handle_starttag(self, tag, attributes):
        for name, value in attributes:
            if name in SOURCES or (tag == "link" and name == "href"):
                self.addresses.append(value or "")


def test_no_page_needs_another_host(site):
    pages = sorted(site.rglob("*.html"))
    assert site / "docs/index.html" in pages
    for page in pages:
        requests = Requests()
        requests.feed(page.read_text("utf-8"))
        assert requests.addresses or page == site / "index.html"
        elsewhere = [a for a in requests.addresses if re.match(r"(\w+:)?//", a)]
        assert not elsewhere, f"{page.relative_to(site)} asks for {elsewhere}"


def test_no_style_needs_another_host(site):
    for style in site.rglob("*.css"):
        text = style.read_text("utf-8")
        imported = re.findall(r"@import\s+(?:url\()?[\"']?([^\"');]+)", text)
        addresses = re.findall(r"url\([\"']?([^\"')]+)", text) + imported
        elsewhere = [a for a in addresses if re.match(r"(\w+:)?//", a)]
        assert not elsewhere, f"{style.relative_to(site)} asks for {elsewhere}"
