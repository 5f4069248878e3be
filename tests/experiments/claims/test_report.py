"""The report, and the stored tables that it is made from."""

import dataclasses

import numpy as np
import pytest

from experiments.claims import calculations, judge, report, rules
from experiments.claims.claim import Calculation, Claim, Evidence
from experiments.claims.intervals import Interval
from experiments.errors import RunError
from experiments.runs import names
from experiments.runs import summary as results
from tests.experiments.stored_runs import forget
from tests.experiments.summaries import (
    CLAIM,
    RUNS,
    SEARCHED,
    STUDY,
    loaded,
    summary,
    trained,
)


@pytest.fixture
def stored(tmp_path):
    """Results with which the claim holds."""
    for runs in RUNS.values():
        for run in runs:
            results.save(tmp_path / "tiny", loaded(SGD=0.7)(run))
    return tmp_path


def written(folder):
    judgement = judge.judge_stored(CLAIM, folder / STUDY.name)
    return report.markdown([(STUDY, [judgement])], folder, folder)


def test_report_shows_a_claim_with_all_that_led_to_its_verdict(stored):
    assert "![" not in written(stored)
    (stored / "tiny/figure.png").write_bytes(b"picture")
    text = written(stored)
    for part in (
        "| [tiny-1](#tiny-1) | ✓ holds: 2 of 2 parts met "
        "| MaS is as good as Adam \\| and better than SGD. |",
        "**[A tiny paper](#a-tiny-paper)**: 1 of 1 hold.",
        "## A tiny paper",
        "### tiny-1\n",
        "\n**✓ holds**: 2 of 2 parts met.\n",
        "Protocol: a hundred steps.",
        "Mean over 2 seeds.",
        "| optimizer | final loss | published | within 0.04 |",
        "| SGD | 0.700 | 0.9 | no |",
        "| SGD above MaS by 0.1 at least (final loss: mean difference) "
        "| 0.2 | ≥ 0.1 | ✓ met |",
        "| MaS within 0.02 of Adam (final loss: mean difference) "
        "| 0 | -0.02 to 0.02 | ✓ met |",
        "Runs: 6",
        "2026-01-02",
        "jax 0.10",
        "\npython -m experiments reproduce tiny-1\n",
        "![Tiny, Figure 1](tiny/figure.png)",
        "1 claims: 1 hold, 0 do not hold, 0 were not tried. Drawn from 6 training runs",
    ):
        assert part in text


def test_a_claim_is_told_part_by_part(stored):
    for run in RUNS["SGD"]:
        results.save(stored / "tiny", summary(run, 0.55))
    text = written(stored)
    assert "\n**✗ does not hold**: 1 of 2 parts met.\n" in text
    assert "(final loss: mean difference) | 0 | -0.02 to 0.02 | ✓ met |" in text
    assert "(final loss: mean difference) | 0.05 | ≥ 0.1 | ✗ not met |" in text


@pytest.mark.parametrize(
    ("counts", "says"),
    [
        ((1, 1), "One run each, and so no interval."),
        ((2, 2), "Mean over 2 seeds."),
        ((3, 5), "Mean over 3 to 5 seeds ± the 95 % interval of Student's t."),
    ],
)
def test_means_say_what_they_are_over(counts, says):
    runs = {
        label: [summary(dataclasses.replace(RUNS["MaS"][0], seed=s)) for s in range(n)]
        for label, n in zip("ab", counts, strict=True)
    }
    evidence = Evidence(values={}, runs=runs)
    judgement = judge.Judgement(
        claim=CLAIM, verdict=judge.Verdict("holds"), evidence=evidence
    )
    assert report.seeds(judgement) == says


def test_a_claim_without_evidence_has_no_figure(stored):
    (stored / "tiny/figure.png").write_bytes(b"picture")
    forget(results.path(stored / "tiny"), names.run_hash(RUNS["MaS"][0]))
    assert "![" not in written(stored)


def test_deleting_a_table_turns_its_claim_to_not_tried(stored):
    forget(results.path(stored / "tiny"), names.run_hash(RUNS["MaS"][0]))
    assert "| ○ not tried: 1 of 6 runs are missing |" in written(stored)


def test_altering_a_value_changes_the_verdict(stored):
    for run in RUNS["MaS"]:
        worse = dataclasses.replace(summary(run), loss=np.array([2.0, 1.0, 0.9]))
        results.save(stored / "tiny", worse)
    assert "\n**✗ does not hold**: 0 of 2 parts met.\n" in written(stored)


def test_a_variant_has_the_step_size_of_what_was_searched(tmp_path):
    tuned = dict(SEARCHED.trial.tuned)
    tuned["signs"] = dataclasses.replace(tuned["signs"], seeds=(0, 1, 2, 3))
    trial = dataclasses.replace(SEARCHED.trial, tuned=tuned)
    claim = dataclasses.replace(SEARCHED, trial=trial)
    judgement = judge.judge(claim, trained, lambda claim_id: None)
    text = report.markdown([(STUDY, [judgement])], tmp_path, tmp_path)
    assert "\n- Step sizes tried for SGD: " in text
    assert "\n- Step size of signs: 0.3, that of SGD.\n" in text
    assert "tried for signs" not in text


CALCULATED = Claim(
    id="sum",
    source="Tiny, section 2",
    statement="One and one are two.",
    protocol="added up",
    trial=Calculation(
        quantity="sum",
        table=lambda: {"sum": 1 + 1},
        values=lambda table: {"sum": Interval(table["sum"], None)},
    ),
    published={"sum": 2.0},
    rule=(rules.equal("sum", 2.0),),
)


def test_a_calculation_is_stored_and_judged(tmp_path):
    assert str(judge.judge_stored(CALCULATED, tmp_path).verdict) == (
        "not tried: it has not been calculated"
    )
    calculated = calculations.calculate("sum", CALCULATED.trial)
    calculations.save(tmp_path, calculated)
    assert calculations.load(tmp_path, "sum").table == {"sum": 2}
    assert judge.judge_stored(CALCULATED, tmp_path).verdict.word == "holds"
    wrong = dataclasses.replace(calculated, table={"sum": 3})
    calculations.save(tmp_path, wrong)
    assert judge.judge_stored(CALCULATED, tmp_path).verdict.word == "does not hold"
    path = calculations.path(tmp_path)
    path.write_text(path.read_text().replace('"sum": 3', '"sum": 2'))
    with pytest.raises(RunError, match="Line 2 of .* does not match its digest"):
        judge.judge_stored(CALCULATED, tmp_path)
