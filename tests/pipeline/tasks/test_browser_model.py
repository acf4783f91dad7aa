"""The model that needs no server: its files from a real run, its page in a real browser, held against the served model."""

import random
import shutil
from pathlib import Path

import numpy as np
import pytest

from charseq_client import Client, PredictionError
from tests.browser import DESKTOP, PHONE, axe_violations, page_in_chromium, static_files
from tests.pipeline.conftest import QUICK, serving
from tests.tensorflow_js import IN_TENSORFLOW_JS, answers, refusal

# What the copy computes is shown in `tests/components/browser` as well.
pytestmark = [*IN_TENSORFLOW_JS, pytest.mark.slow]


@pytest.fixture(scope="module")
def root(first_run, place, tmp_path_factory):
    """What the first run has left, for another run that is no business of other tests."""
    return shutil.copytree(place, tmp_path_factory.mktemp("browser") / "root")


@pytest.fixture(scope="module")
def run(charseq, root):
    """The first run again, from its cache, and the files for a browser."""
    export = ("--set", "run.cache=true", "--set", "browser.export=true")
    result = charseq("run", "sums", "--json", "--root", root, *QUICK, *export)
    assert result.status == 0, result.stderr
    return result.json


@pytest.fixture(scope="module")
def page(run):
    with static_files(Path(run["browser_model"])) as address:
        yield address


def test_the_answers_to_1000_sums_are_those_of_the_served_model(page, root, run):
    chance = random.Random(1)
    sums = [f"{chance.randint(0, 99)}+{chance.randint(0, 99)}" for _ in range(1000)]
    with serving(root / "serving") as address, Client(address) as client:
        served = client.predict({"text": sums}, model="sums", version=run["pushed_version"])
    with page_in_chromium(page) as tab:
        texts, probabilities = answers(tab, sums)
        assert tab.errors == []
        assert all(asked.startswith((page, "data:")) for asked in tab.requests)
    assert list(texts) == served.strings("text")
    assert probabilities == pytest.approx(np.exp(served.outputs["log_prob"]), rel=1e-3, abs=1e-6)


def test_what_the_served_model_refuses_is_refused_in_the_same_words(page, root):
    texts = ["", "1+a", "1+é", "1+😀", "1234+5678"]
    served = []
    with serving(root / "serving") as address, Client(address) as client:
        for text in texts:
            with pytest.raises(PredictionError) as refused:
                client.predict({"text": ["1+1", text]}, model="sums")
            served.append(refused.value.reason)
    with page_in_chromium(page) as tab:
        assert [refusal(tab, ["1+1", text]) for text in texts] == served


@pytest.mark.parametrize(("scheme", "size"), [("light", PHONE), ("dark", DESKTOP)])
def test_the_page_answers_and_an_accessibility_checker_finds_nothing(page, scheme, size, run):
    from playwright.sync_api import expect

    with page_in_chromium(page, scheme=scheme, size=size) as tab:
        expect(tab.page.locator("#about")).to_contain_text(f"Model sums, version {run['pushed_version']}")
        assert axe_violations(tab) == ""
        tab.page.get_by_label("Text to answer").fill("12+34")
        tab.page.keyboard.press("Enter")
        expect(tab.page.locator("#whole")).to_contain_text("12+34 → ")
        assert tab.page.locator("#characters li").count() == 3
        assert axe_violations(tab) == ""
        tab.page.get_by_label("Text to answer").fill("12+?")
        tab.page.keyboard.press("Enter")
        expect(tab.page.get_by_role("alert")).to_contain_text("character `?` (U+003F) at position 4 is unknown")
        assert axe_violations(tab) == ""
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        assert tab.errors == []


def test_files_that_are_missing_are_said(page):
    from playwright.sync_api import expect

    with page_in_chromium() as tab:
        tab.page.route("**/group1-shard1of1.bin", lambda route: route.fulfill(status=404))
        tab.page.goto(page)
        expect(tab.page.get_by_role("alert")).to_contain_text("The model cannot be loaded")
