"""The notebooks run from the stored results, and show what these say."""

import pathlib

import nbformat
import pytest
from nbclient import NotebookClient

from experiments.studies import catalogue

NOTEBOOKS = sorted((pathlib.Path(__file__).parents[2] / "notebooks").glob("*.ipynb"))


def texts(notebook):
    """What the cells print and tell, without their pictures.

    A text for each cell: in how many pieces a kernel sends it depends on the time.
    """
    return ["".join(_texts(cell)) for cell in notebook.cells]


def _texts(cell):
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" not in data:
            yield output.get("text") or data.get("text/markdown", str(data))


def pictures(notebook):
    return sum(
        "image/png" in output.get("data", {})
        for cell in notebook.cells
        for output in cell.get("outputs", [])
    )


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_was_committed_with_the_same_outputs(path):
    committed = nbformat.read(path, as_version=4)
    assert "RETRAIN = False" in "".join(cell.source for cell in committed.cells)
    executed = nbformat.from_dict(committed)
    for cell in executed.cells:
        cell.pop("outputs", None)
        if cell.cell_type == "code":
            cell.outputs = []
    client = NotebookClient(executed, timeout=60, kernel_name="python3")
    client.execute(cwd=str(path.parent))
    nbformat.validate(executed)
    # Else it was not executed again after the results or the code had changed.
    assert texts(executed) == texts(committed)
    assert pictures(executed) == pictures(committed) > 0


def test_every_study_has_its_notebook():
    named = {"tutorials": "momentum_rmsprop_adam"}  # the others are named as the study
    studies = {named.get(study.name, study.name) for study in catalogue.STUDIES}
    assert {path.stem for path in NOTEBOOKS} == studies
