"""The history of rollouts: what is written is read, and where a rollback goes."""

import json

import pytest

from serving.rollout.history import HISTORY_NAME, Entry, append_entry, previous_stable, read_history


def test_entries_are_read_as_they_were_added(tmp_path):
    entries = [
        Entry(1_700_000_000.25, "m", "promote", 2, None),
        Entry(1_700_000_060.0, "m", "refuse", 3, 2, "its answers differ; and it is slow"),
    ]
    for entry in entries:
        append_entry(tmp_path, entry)
    assert read_history(tmp_path) == entries
    lines = (tmp_path / HISTORY_NAME).read_text().splitlines()
    assert json.loads(lines[0]) == {
        "time": "2023-11-14T22:13:20.250000+00:00",
        "model": "m",
        "action": "promote",
        "version": 2,
        "previous": None,
        "reason": "",
    }


def test_there_need_be_no_history(tmp_path):
    assert read_history(tmp_path) == []


@pytest.mark.parametrize(
    "damaged",
    [
        b'{"time": "cut sh',
        b"[1, 2]",
        b"3",
        b'{"model": "m", "action": "promote", "version": 1, "previous": null}',
        b'{"time": "yesterday", "model": "m", "action": "promote", "version": 1, "previous": null}',
        b'{"time": "2023-11-14T22:13:20+00:00", "model": "m", "unknown": 1}',
        b"\xff\xfe",
        b"",
    ],
)
def test_a_damaged_line_is_left_out(tmp_path, damaged):
    first, second = Entry(1.0, "m", "promote", 1, None), Entry(2.0, "m", "promote", 2, 1)
    append_entry(tmp_path, first)
    with (tmp_path / HISTORY_NAME).open("ab") as file:
        file.write(damaged + b"\n")
    append_entry(tmp_path, second)
    assert read_history(tmp_path) == [first, second]


def test_an_entry_is_on_the_disk(tmp_path, monkeypatch):
    """After a power cut, what was rolled back from must not come back."""
    synced = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append((tmp_path / HISTORY_NAME).read_bytes()))
    append_entry(tmp_path, Entry(1.0, "m", "promote", 1, None))
    assert synced == [(tmp_path / HISTORY_NAME).read_bytes()]
    assert synced[0].endswith(b"\n")


def _history(*steps: tuple[str, int, int | None]) -> list[Entry]:
    return [Entry(float(i), "m", *step) for i, step in enumerate(steps)]


@pytest.mark.parametrize(
    ("steps", "current", "on_disk", "expected"),
    [
        ([], 3, {1, 2, 3}, 2),
        ([], 1, {1, 2}, None),
        ([("promote", 2, 1), ("promote", 3, 2)], 3, {1, 2, 3}, 2),
        ([("promote", 2, 1), ("promote", 3, 2), ("rollback", 2, 3)], 2, {1, 2, 3}, 1),
        ([("promote", 3, 1), ("rollback", 1, 3), ("promote", 4, 1)], 4, {1, 2, 3, 4}, 1),
        ([("promote", 3, 1), ("promote", 5, 3)], 5, {1, 5}, 1),  # 3 was deleted
        ([("promote", 1, 3)], 1, {1, 2, 3}, 3),  # an older one was promoted by hand
        ([("rollback", 1, 2), ("promote", 3, 1)], 3, {1, 2, 3}, 1),
        ([("promote", 2, 1), ("refuse", 3, 2)], 2, {1, 2, 3}, 1),
        ([("refuse", 2, 1)], 3, {1, 2, 3}, 1),  # a refused canary is no target
        ([("refuse", 2, 1), ("promote", 2, 1), ("promote", 3, 2)], 3, {1, 2, 3}, 2),  # until it is promoted by hand
        ([("promote", 2, None)], 2, {1, 2}, 1),
        ([("promote", 1, None), ("promote", 2, 1), ("promote", 3, 2), ("rollback", 1, 3)], 1, {1, 2, 3}, None),
        ([("promote", 5, 4), ("rollback", 3, None), ("promote", 6, 3)], 6, {3, 4, 5, 6}, 3),
        ([("promote", 5, 4), ("rollback", 3, None), ("promote", 6, None)], 6, {3, 4, 5, 6}, 3),
        ([("promote", 2, 1), ("promote", 3, 7)], 3, {1, 2, 3, 7}, 7),  # 7 was followed as the newest in between
        ([("promote", 2, 1), ("promote", 3, 7), ("rollback", 7, 3)], 7, {1, 2, 3, 7}, 2),
        ([], None, {1, 2}, None),
    ],
)
def test_where_a_rollback_goes(
    steps: list[tuple[str, int, int | None]], current: int, on_disk: set[int], expected: int | None
) -> None:
    other = Entry(9.0, "other", "promote", 7, 6)
    assert previous_stable([other, *_history(*steps), other], "m", current, on_disk) == expected
