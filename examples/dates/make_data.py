"""Writes dates.csv: dates as people write them, and as ISO 8601 does.

python make_data.py [ROWS]
"""

import csv
import datetime
import random
import sys

# In strftime's terms. A day or month that is a number comes first or second, never both ways round.
_FORMATS = ("%d.%m.%Y", "%d %B %Y", "%B %d, %Y", "%d %b %y", "%a %d %b %Y", "%Y/%m/%d")
_FIRST, _DAYS = datetime.date(1970, 1, 1), 365 * 80


def make_rows(count: int, seed: int = 17) -> list[tuple[str, str]]:
    """Returns so many pairs of a written date, each different, and the date in ISO 8601."""
    draw = random.Random(seed)  # noqa: S311 (data, no secret)
    rows: dict[str, str] = {}
    while len(rows) < count:
        date = _FIRST + datetime.timedelta(days=draw.randrange(_DAYS))
        written = date.strftime(draw.choice(_FORMATS))
        rows[draw.choice((written, written.lower(), written.replace(" 0", " ")))] = date.isoformat()
    return list(rows.items())


if __name__ == "__main__":
    with open("dates.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("written", "iso"))
        writer.writerows(make_rows(int(sys.argv[1]) if len(sys.argv) > 1 else 5_000))
