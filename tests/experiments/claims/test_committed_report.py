"""README and report say what the stored results say."""

import pathlib
import shutil

from experiments.claims import report
from experiments.commands.main import main
from experiments.commands.report import RESULTS, judge

README = pathlib.Path(__file__).parents[3] / "README.md"


def test_tables_in_the_readme_are_those_of_the_results(tmp_path):
    copy = tmp_path / "README.md"
    shutil.copy(README, copy)
    page = tmp_path / RESULTS.relative_to(README.parent) / "report.md"
    page.parent.mkdir(parents=True)
    assert main(["report", "--tables", str(copy), "--output", str(page)]) == 0
    assert copy.read_text() == README.read_text()


def test_the_committed_report_is_that_of_the_results():
    text = report.markdown(judge(RESULTS), RESULTS, RESULTS)
    assert (RESULTS / "report.md").read_text() == text
