"""The checker of prose finds what it should, where people read it, and nothing in code."""

import pytest

from docs.tools.prose import check, main

BAD = {
    "a.md": "# A page\n\nWho reaches the port can run code.\n",
    "b.md": "It has a character that training had not.\n",
    "c.py": '"""A module.\n\nOf the file.\n"""\n',
    "d.py": '"""A module."""\n\nNAME = 1  # the name is made anew\n',
    "e.py": 'raise ValueError(f"{1} is none, in place of two")\n',
    "f.py": 'import click\n\n\n@click.option("--a", help="Sent by turns.")\ndef a():\n    """Does it."""\n',
    "g.md": "We did the the work.\n",
    "h.md": "A very unique page.\n",
}

GOOD = """# A page

The text is made again. There is none left, and of course `it is none` in code.

```
made anew, in place of this
```
"""


@pytest.mark.parametrize("name", BAD)
def test_a_sentence_that_must_be_read_twice_is_found_with_its_line(tmp_path, name, capsys):
    path = tmp_path / name
    path.write_text(BAD[name])
    found = list(check(path))
    assert found, name
    line, _ = found[0]
    assert 1 <= line <= BAD[name].count("\n")
    assert main([str(path)]) == 1
    assert f"{path}:{line}: " in capsys.readouterr().out


def test_code_is_left_out(tmp_path):
    (tmp_path / "good.md").write_text(GOOD.replace("of course ", ""))
    (tmp_path / "good.py").write_text('"""A module."""\n\nVALUES = {"anew": "in place of"}\n')
    assert main([str(tmp_path / "good.md"), str(tmp_path / "good.py")]) == 0
