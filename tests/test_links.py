"""The links of the texts that lie in the repository lead somewhere."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).parents[1]
PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/evidence.md"]
LINK = re.compile(r'\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$|src="([^"]+)"', re.MULTILINE)


def anchors(page: pathlib.Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w-]", "", h.lower().replace(" ", "-")) for h in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_to_files_and_sections(name):
    page = ROOT / name
    for groups in LINK.findall(page.read_text()):
        address = "".join(groups)
        if address.startswith("https://"):
            continue
        path, _, section = address.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.is_relative_to(ROOT) and target.exists(), address
        assert not section or section in anchors(target), address


@pytest.mark.parametrize("name", PAGES)
def test_references_are_defined_and_used(name):
    text = (ROOT / name).read_text()
    defined = set(re.findall(r"^\[([^\]]+)\]: ", text, re.MULTILINE))
    used = set(re.findall(r"\[((?:mas|da|ar|ta|tb)-[\w-]+)\](?![(:])", text))
    assert used == defined
