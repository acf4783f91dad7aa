"""The page to try the models on, in a real browser, against a real server."""

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import json_format

from charseq_client.messages import PredictionServiceStub, predict_pb2
from serving.free_port import free_port
from tests.browser import DESKTOP, IN_CHROMIUM, PHONE, Scheme, Tab, axe_violations, page_in_chromium
from tests.serving.conftest import Push
from tests.serving.processes import ROOT, RunningServer, running_server

pytestmark = IN_CHROMIUM


def expect(tab: Tab, selector: str) -> Any:
    from playwright.sync_api import expect as expect_locator

    return expect_locator(tab.page.locator(selector))


@pytest.fixture(scope="module")
def serving_dir(tmp_path_factory: pytest.TempPathFactory, writer_model: Path, push: Push) -> Path:
    from tests.serving.saved_models import save_adder, save_forecaster, save_reader

    folder = tmp_path_factory.mktemp("page")
    serving_dir = folder / "serving"
    push(save_adder(folder / "new"), serving_dir / "sums", 3)
    push(save_adder(folder / "old", characters=False), serving_dir / "sums", 2)
    push(writer_model, serving_dir / "text", 1)
    push(save_reader(folder / "pairs"), serving_dir / "pairs", 1)
    push(save_forecaster(folder / "series"), serving_dir / "milk", 1)
    (serving_dir / "models.config").write_text(
        f"""model_config_list {{ config {{
          name: "sums" base_path: "{serving_dir / "sums"}" model_platform: "tensorflow"
          model_version_policy {{ all {{}} }} version_labels {{ key: "stable" value: 2 }}
        }} }}"""
    )
    return serving_dir


def arguments(serving_dir: Path) -> tuple[str, ...]:
    return (f"--serving_dir={serving_dir}", f"--rest_api_port={free_port()}", "--page")


@pytest.fixture(scope="module")
def server(serving_dir: Path) -> Iterator[RunningServer]:
    with running_server(serving_dir.parent, *arguments(serving_dir)) as running:
        yield running


@contextmanager
def opened(address: str, **options: Any) -> Iterator[Tab]:
    """Opens the page, which must ask nobody but its server."""
    with page_in_chromium(address, **options) as tab:
        yield tab
        origin = address.partition("/?")[0]
        assert all(asked.startswith((origin, "data:")) for asked in tab.requests)


def ask(tab: Tab, text: str) -> None:
    tab.page.get_by_label("Text to answer").fill(text)
    tab.page.keyboard.press("Enter")


def characters(tab: Tab) -> list[str]:
    return [" ".join(cell.split()) for cell in tab.page.locator("#characters li").all_inner_texts()]


def test_a_sum_is_answered_character_by_character(server: RunningServer) -> None:
    with opened(f"{server.rest_url}/?model=sums") as tab:
        ask(tab, "12+34")
        expect(tab, "#whole").to_have_text("12+34 → 46 · 33.7% for the whole answer.")
        assert characters(tab) == ["blank > 99.9%", "blank 90.0%", "4 75.0%", "6 50.0%"]
        assert tab.page.locator("#resolved").inner_text() == "version 3"
    assert tab.errors == []


def test_tokens_other_answers_and_where_the_model_looked_are_shown(server: RunningServer) -> None:
    with opened(f"{server.rest_url}/?model=pairs") as tab:
        ask(tab, "אב")
        expect(tab, "#whole").to_have_text("אב → אב · 50.0% for the whole answer.")
        assert characters(tab) == ["א 75.0%", "ב 75.0%", "end 75.0%"]
        others = [" ".join(item.split()) for item in tab.page.locator("#alternatives li").all_inner_texts()]
        assert others[:2] == ["אב 50.0%", "אבאב 25.0%"]
        assert len(others) == 5
        tab.page.locator("#looked summary").click()
        cells = tab.page.locator("#shares tr").nth(2).locator("td")
        assert [cell.get_attribute("title") for cell in cells.all()] == ["< 0.1%", "> 99.9%", "< 0.1%"]
        assert tab.page.locator("#shares tr").first.inner_text().split() == ["א", "ב", "end"]
        assert axe_violations(tab) == ""
        ask(tab, "a")  # which has one answer
        expect(tab, "#alternatives li").to_have_count(1)
        ask(tab, "ab" * 100)
        expect(tab, "#looked-note").to_contain_text("too large to be read")
        tab.page.locator("#model").select_option("sums")
        ask(tab, "1+2")
        expect(tab, "#whole").to_contain_text("1+2 → 3")
        expect(tab, "#several").to_be_hidden()
        expect(tab, "#looked").to_be_hidden()
    assert tab.errors == []


def test_a_version_or_a_label_is_chosen(server: RunningServer) -> None:
    with opened(f"{server.rest_url}/?model=sums") as tab:
        expect(tab, "#version option").to_have_text(["newest", "stable", "3", "2"])
        for choice, version in (("stable", 2), ("3", 3), ("2", 2), ("newest", 3)):
            tab.page.get_by_label("Version").select_option(choice)
            expect(tab, "#resolved").to_have_text(f"version {version}")
        tab.page.get_by_label("Version").select_option("stable")
        expect(tab, "#resolved").to_have_text("version 2")
        ask(tab, "9+8")
        expect(tab, "#whole").to_contain_text("this version does not say the probability of each character")
        assert characters(tab) == ["1", "7"]
    assert tab.errors == []


def test_pasted_numbers_are_forecast_and_drawn(server: RunningServer) -> None:
    with opened(f"{server.rest_url}/?model=milk") as tab:
        expect(tab, "#history-note").to_have_text("this version reads the last 4")
        values, button = (
            tab.page.get_by_role("textbox", name="Values"),
            tab.page.get_by_role("button", name="Forecast", exact=True),
        )
        for pasted in ("1 2 3 4 7.5", "1; 2; 3; 4; 7.5", "month,milk\n1962-01,1\n1962-02,2\n1962-03,3\n1962-04,7.5\n"):
            values.fill(pasted)
            button.click()
            expect(tab, "#forecast-said").to_have_text("3 steps by version 1: next 7.5, probably 6.5 to 9.5.")
            assert tab.page.locator("#chart polyline").count() == 2
        tab.page.get_by_text("The figures").click()
        assert tab.page.locator("#steps tr").first.inner_text().split() == ["1", "7.5", "6.5", "9.5"]
        assert axe_violations(tab) == ""
        for pasted, said in (
            ("1 2 x 4", 'Value 3, "x", is no number'),
            ("", "There is no number"),
            ("1 2", "this model reads 4"),
        ):
            values.fill(pasted)
            button.click()
            expect(tab, "#problem-text").to_contain_text(said)
    assert all("400 (Bad Request)" in error for error in tab.errors)


def test_text_is_streamed(server: RunningServer) -> None:
    with opened(f"{server.rest_url}/?model=text") as tab:
        tab.page.get_by_label("Prompt").fill("ab")
        tab.page.get_by_label("Length").fill("24")
        tab.page.get_by_role("button", name="Write").click()
        expect(tab, "#progress").to_contain_text("24 characters by version 1")
        expect(tab, "#written").to_have_text("abcdefghijklmnopqrstuvwxyz")
        calls = [asked for asked in tab.requests if asked.endswith("/versions/1:predict")]
        assert len(calls) == 2  # 16 characters, then 8
    assert tab.errors == []


def test_writing_can_be_stopped(server: RunningServer) -> None:
    with opened(f"{server.rest_url}/?model=text") as tab:
        held = []

        def hold(route: Any) -> None:
            if held:
                return  # never answered
            held.append(route)
            route.continue_()

        tab.page.route("**/*:predict", hold)
        expect(tab, "#stop").to_be_disabled()
        tab.page.get_by_role("button", name="Write").click()
        expect(tab, "#drawn").to_have_text("abcdefghijklmnop")
        tab.page.get_by_role("button", name="Stop").click()
        expect(tab, "#progress").to_have_text("Stopped after 16 characters.")
        expect(tab, "#stop").to_be_disabled()
        expect(tab, "#problem").to_be_hidden()


def test_what_the_server_refuses_is_said_in_its_own_words(server: RunningServer) -> None:
    with opened(f"{server.rest_url}/?model=sums") as tab:
        ask(tab, "1 é")
        expect(tab, "#problem").to_contain_text("The server refuses this")
        expect(tab, "#problem-text").to_have_text("text[0]: `1 é` is no sum: this model knows `+0123456789`")
        expect(tab, "#answer").to_be_hidden()
        assert axe_violations(tab) == ""
        ask(tab, "1+1")
        expect(tab, "#whole").to_contain_text("1+1 → 2")
        expect(tab, "#problem").to_be_hidden()
    (refusal,) = tab.errors  # the browser's own note of a status that is not 200
    assert "400" in refusal


def test_a_model_that_is_not_there_is_said(server: RunningServer) -> None:
    with opened(f"{server.rest_url}/?model=nosuch") as tab:
        expect(tab, "#problem-text").to_have_text("Could not find any versions of model nosuch")
        tab.page.locator("#model").select_option("sums")
        expect(tab, "#answering").to_be_visible()


def test_a_server_that_is_away_is_said_and_asked_again(serving_dir: Path, tmp_path: Path) -> None:
    flags = arguments(serving_dir)
    with running_server(tmp_path, *flags) as server, opened(f"{server.rest_url}/?model=sums") as tab:
        expect(tab, "#answering").to_be_visible()
        assert server.terminate() == 0
        ask(tab, "1+1")
        expect(tab, "#problem").to_contain_text("The server does not answer")
        expect(tab, "#problem-text").to_contain_text(f"Nothing answers at {server.rest_url}")
        with running_server(tmp_path, *flags):
            tab.page.get_by_role("button", name="Try again").click()
            expect(tab, "#problem").to_be_hidden()
            ask(tab, "1+1")
            expect(tab, "#whole").to_contain_text("1+1 → 2")


@pytest.mark.parametrize("model", ["sums", "text"])
def test_the_lines_for_a_terminal_do_the_same(server: RunningServer, model: str) -> None:
    with opened(f"{server.rest_url}/?model={model}") as tab:
        if model == "sums":
            ask(tab, "12+34")
            expect(tab, "#whole").to_contain_text("46")
            expected = ["46", "character_log_prob"]
        else:
            tab.page.get_by_label("Prompt").fill("It's é")
            tab.page.get_by_label("Seed").fill("9007199254740991")
            expected = ["hijkl", "hijkl"]  # after a prompt of seven bytes
        buttons = tab.page.get_by_role("button", name=re.compile("Copy the")).all()
        lines = []
        for button in buttons:
            button.click()
            expect(tab, "#copied").to_contain_text("is copied")
            lines.append(shlex.split(tab.page.evaluate("navigator.clipboard.readText()")))
    assert [line[0] for line in lines] == ["curl", "grpcurl"] * 2
    for said, curl, grpcurl in zip(expected, lines[::2], lines[1::2], strict=True):
        assert said in subprocess.run([*curl, "-s"], capture_output=True, text=True, check=True).stdout
        _, plaintext, _, message, address, method = grpcurl
        assert (plaintext, method) == ("-plaintext", "tensorflow.serving.PredictionService/Predict")
        request = json_format.Parse(message, predict_pb2.PredictRequest())
        with grpc.insecure_channel(address) as channel:
            response = PredictionServiceStub(channel).Predict(request)
        assert said in str(response)


@pytest.mark.parametrize(("scheme", "size"), [("light", PHONE), ("dark", DESKTOP)])
def test_an_accessibility_checker_finds_nothing(server: RunningServer, scheme: Scheme, size: tuple[int, int]) -> None:
    with opened(f"{server.rest_url}/?model=sums", scheme=scheme, size=size) as tab:
        expect(tab, "#answering").to_be_visible()
        assert axe_violations(tab) == ""
        ask(tab, "12+34")
        expect(tab, "#whole").to_contain_text("46")
        tab.page.locator("#requests").evaluate("details => details.open = true")
        assert axe_violations(tab) == ""
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        tab.page.get_by_label("Model").select_option("text")
        tab.page.get_by_label("Length").fill("24")
        tab.page.get_by_role("button", name="Write").click()
        expect(tab, "#progress").to_contain_text("characters by version")
        assert axe_violations(tab) == ""


def test_charseq_page_for_a_server_without_one(server: RunningServer) -> None:
    """As beside TensorFlow Serving: its own port, the REST API passed on."""
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "page", "--port=0"]
    command += [f"--server={server.rest_url}", f"--grpc={server.target}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().split()[4].rstrip(",")
        with opened(address) as tab:
            assert tab.page.locator("#model option").all_inner_texts() == ["sums", "text"]
            expect(tab, "#version option").to_have_text(["newest", "stable", "3", "2"])
            ask(tab, "12+34")
            expect(tab, "#whole").to_contain_text("12+34 → 46 · ")
            expect(tab, "#lines").to_contain_text(f"'{server.rest_url}/v1/models/sums/versions/3:predict'")
            assert tab.errors == []
            ask(tab, "12+")
            expect(tab, "#problem-text").to_contain_text("`12+` is no sum")
    finally:
        process.send_signal(signal.SIGINT)
    assert process.wait(120) == 0


def test_charseq_page_says_when_the_server_is_away() -> None:
    away = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-c", "from pipeline.cli import main; main()", "page", "--port=0", f"--server={away}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        with page_in_chromium(process.stdout.readline().split()[4].rstrip(",")) as tab:
            expect(tab, "#problem-text").to_contain_text(f"Nothing answers at {away}")
    finally:
        process.terminate()
    assert process.wait(120) == 0
