"""The end of a log."""

import io

import urllib3

from pipeline.kubeflow.logs import _last_lines


def answer(content, kind="text/plain"):
    return urllib3.HTTPResponse(io.BytesIO(content), headers={"Content-Type": kind}, preload_content=False)


def test_of_a_long_log_the_last_lines_are_shown_whole():
    content = "".join(f"line {number} é\n" for number in range(200_000)).encode()
    assert _last_lines(answer(content), 2) == ["line 199998 é", "line 199999 é"]


def test_one_endless_line_takes_no_more_memory_than_its_end():
    (line,) = _last_lines(answer(b"x" * 5_000_000), 2)
    assert len(line) <= 1 << 20


def test_a_log_does_not_steer_the_terminal():
    assert _last_lines(answer(b"\x1b[2Jloss\t0.5\r\n"), 2) == [" [2Jloss\t0.5"]


def test_neither_a_page_nor_an_error_is_a_log():
    assert _last_lines(answer(b"<html>", "text/html; charset=utf-8"), 2) == []
    assert _last_lines(answer(b'{"error_message": "Failed to read logs"}'), 2) == []
    assert _last_lines(answer(b'{"epoch": 3}'), 2) == ['{"epoch": 3}']
