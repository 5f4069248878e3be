"""The report as a page of HTML."""

import dataclasses

from experiments.claims import judge, page, report
from tests.experiments.summaries import CLAIM, STUDY, loaded


def test_the_page_needs_nothing_but_itself(tmp_path):
    place = tmp_path / "of mine, für mich (all)"  # which links have to encode
    (place / "tiny").mkdir(parents=True)
    (place / "tiny/figure.png").write_bytes(b"picture")
    judgement = judge.judge(CLAIM, loaded(SGD=0.7), lambda claim_id: None)
    written = report.markdown([(STUDY, [judgement])], place, tmp_path)
    text = page.page(written, tmp_path)
    assert 'src="data:image/png;base64,cGljdHVyZQ=="' in text
    assert "MaS is as good as Adam | and better than SGD." in text
    assert '<span class="yes">✓ holds</span>: 2 of 2 parts met' in text
    assert '<a href="#tiny-1">tiny-1</a>' in text
    assert '<section class="level-3" id="tiny-1">' in text
    assert text.count("<section") == text.count("</section>")
    for outside in ("http", "<script", "url("):
        assert outside not in text


def test_the_page_has_a_title_and_escapes_what_it_shows(tmp_path):
    text = page.page("# a < b\n\nthis & that\n", tmp_path)
    assert "<title>a &lt; b</title>" in text
    assert '<section class="level-1" id="a--b">\n<h1>a &lt; b</h1>' in text
    assert "<p>this &amp; that</p>" in text


def test_claims_of_one_verdict_can_be_chosen(tmp_path, chromium):
    judged = [
        judge.judge(dataclasses.replace(CLAIM, id=name), load, lambda claim_id: None)
        for name, load in (
            ("good", loaded(SGD=0.7)),
            ("bad", loaded(SGD=0.5)),
            ("untried", lambda run: None),
        )
    ]
    text = report.markdown([(STUDY, judged)], tmp_path, tmp_path)
    (tmp_path / "page.html").write_text(page.page(text, tmp_path))
    shown = chromium.new_page()
    shown.goto((tmp_path / "page.html").as_uri())
    for choice, names in (
        ("all", ["good", "bad", "untried"]),
        ("yes", ["good"]),
        ("no", ["bad"]),
        ("open", ["untried"]),
    ):
        shown.click(f"#only-{choice}")
        for which in (".level-3 > h3", "#claims td:first-child"):
            parts = shown.locator(which).all()
            assert [p.inner_text() for p in parts if p.is_visible()] == names
    # What is hidden under "How it was tried" opens when it is clicked.
    protocol = shown.get_by_text("Protocol: a hundred steps.").nth(2)
    assert not protocol.is_visible()
    shown.get_by_text("How untried was tried").click()
    assert protocol.is_visible()
