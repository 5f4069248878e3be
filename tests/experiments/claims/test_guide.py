"""The guide: every optimizer, its bytes, and claims that were tried."""

from experiments.claims import guide
from experiments.commands.report import RESULTS, judge
from tests.catalogue import OPTIMIZERS
from tests.test_public_surface import READY


def test_every_optimizer_has_an_entry():
    names = [entry.name for entry in guide.ENTRIES]
    missing = {*READY, "hyperball"} - set(names)
    assert not missing, f"experiments/claims/guide.toml has no entry for {missing}"
    assert len(names) == len(READY) + 1


def test_bytes_are_those_that_the_contract_measures():
    measured = {row.name: row.state_bytes[0] for row in OPTIMIZERS}
    of_its_own = [entry for entry in guide.ENTRIES if entry.name != "hyperball"]
    for entry in of_its_own:
        assert int(entry.state.split(";")[0]) == measured[entry.name]


def test_its_evidence_was_tried():
    tried = {
        judgement.claim.id
        for _, judgements in judge(RESULTS)
        for judgement in judgements
        if judgement.verdict.word != "not tried"
    }
    for entry in guide.ENTRIES:
        assert set(entry.claims) <= tried
