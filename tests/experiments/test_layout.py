"""The house of the experiments: rooms on floors, and imports that lead down only."""

import ast
import graphlib
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parents[2]
HOUSE = ROOT / "experiments"

# From the doors down to the ground. Rooms of one floor do not know each other.
FLOORS = (
    ("__main__", "notebook"),
    ("commands",),
    ("bench", "studies"),
    ("claims", "explorer", "training"),
    ("networks", "paths"),
    ("runs",),
    ("data",),
    ("environment", "style"),
    ("errors",),
)
LEVEL = {room: level for level, rooms in enumerate(FLOORS) for room in rooms}
NOT_CODE = {"results", "__init__", "__pycache__"}
LONGEST = 300  # lines of a module
IMPORTS_BY_STRING = {"import_module", "__import__", "run_module", "exec"}

FILES = sorted(HOUSE.rglob("*.py"))


def name_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


def imported(path):
    """The modules of the experiments that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path} has a relative import."
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if whole in MODULES else node.module


ARROWS = {
    name: {other for other in imported(path) if other in MODULES} - {name}
    for name, path in MODULES.items()
}


def room(module):
    return module.split(".")[1] if "." in module else "__init__"


def test_every_entry_is_a_room_on_a_floor():
    entries = {path.stem for path in HOUSE.iterdir()} - NOT_CODE
    assert entries == LEVEL.keys()
    assert len(entries | {"results"}) <= 16


def test_imports_lead_to_a_lower_floor():
    upwards = [
        f"{module} imports {other}"
        for module, others in ARROWS.items()
        for other in others
        if room(module) != room(other) and "__init__" not in (room(module), room(other))
        if LEVEL[room(module)] >= LEVEL[room(other)]
    ]
    assert not upwards, "\n".join(upwards)


def test_imports_make_no_circle():
    graphlib.TopologicalSorter(ARROWS).prepare()  # raises CycleError with the circle


def test_nothing_is_imported_by_string():
    hidden = [
        f"{path.relative_to(ROOT)}:{node.lineno}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
        and getattr(node.func, "attr", getattr(node.func, "id", ""))
        in IMPORTS_BY_STRING
    ]
    assert not hidden, f"Import by name instead: {', '.join(hidden)}"


@pytest.mark.parametrize("folder", ["experiments", "optax_sign"])
def test_a_module_can_be_read_at_once(folder):
    lines = {
        path.relative_to(ROOT): len(path.read_text().splitlines())
        for path in (ROOT / folder).rglob("*.py")
    }
    long = {str(path): count for path, count in lines.items() if count > LONGEST}
    assert not long, f"Split what has several ideas: {long}"


def test_a_room_says_what_it_is_for():
    rooms = [path for path in FILES if path.name == "__init__.py"]
    silent = [
        str(path.relative_to(ROOT))
        for path in rooms
        if not ast.get_docstring(ast.parse(path.read_text()))
    ]
    assert not silent, f"These need a docstring: {', '.join(silent)}"


def test_the_library_knows_nothing_of_the_experiments():
    guilty = [
        str(path.relative_to(ROOT))
        for path in (ROOT / "optax_sign").rglob("*.py")
        if any(name.split(".")[0] == "experiments" for name in imported(path))
    ]
    assert not guilty
