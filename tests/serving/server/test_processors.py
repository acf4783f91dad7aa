"""Systems that say which processors a process may use, and those that do not."""

import os

import pytest

from serving.contract.processors import count_processors
from serving.server.flags import parse_flags


def test_the_processors_are_those_that_this_process_may_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 5, 7})

    assert count_processors() == 3


def test_where_the_system_does_not_say_all_of_the_machine_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS has none
    monkeypatch.setattr(os, "cpu_count", lambda: 10)

    assert count_processors() == 10
    assert parse_flags(["--serving_dir=models"]).threads == 40
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert count_processors() == 1
