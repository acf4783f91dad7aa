"""Writes products.csv: names of screws and bolts as suppliers write them, and as a shop's own catalogue does.

python make_data.py [ROWS]
"""

import csv
import random
import sys

# The catalogue's word, and how suppliers write it.
_ITEMS = {
    "hex bolt": ("HEX BOLT", "Bolt, hex", "hexbolt", "BLT HEX"),
    "wood screw": ("WOOD SCREW", "Screw, wood", "woodscrew", "SCR WOOD"),
    "cap screw": ("CAP SCREW", "Screw, cap", "capscrew", "SCR CAP"),
    "threaded rod": ("THREADED ROD", "Rod, threaded", "rod thr.", "ROD THR"),
    "set screw": ("SET SCREW", "Screw, set", "setscrew", "SCR SET"),
}
_FINISHES = {
    "zinc": ("ZN", "zinc", "zinc pl.", "galv."),
    "brass": ("BRASS", "brass", "MS"),
    "stainless": ("A2", "stainless", "inox", "st.st."),
}
_SIZES = ("M{}x{}", "M{} X {}", "M{}X{}", "{}x{}mm")
_DIAMETERS = (3, 4, 5, 6, 8, 10, 12)
_LENGTHS = (10, 12, 16, 20, 25, 30, 40, 50, 60, 80)


def make_rows(count: int, seed: int = 17) -> list[tuple[str, str]]:
    """Returns so many pairs of a supplier's name, each different, and the catalogue's name for it."""
    draw = random.Random(seed)  # noqa: S311 (data, no secret)
    rows: dict[str, str] = {}
    while len(rows) < count:
        item, finish = draw.choice(list(_ITEMS)), draw.choice(list(_FINISHES))
        diameter, length = draw.choice(_DIAMETERS), draw.choice(_LENGTHS)
        size = draw.choice(_SIZES).format(diameter, length)
        parts = [draw.choice(_ITEMS[item]), size, draw.choice(_FINISHES[finish])]
        if draw.random() < 0.5:  # the size first
            parts[0], parts[1] = parts[1], parts[0]
        rows[" ".join(parts)] = f"{item} M{diameter}x{length} {finish}"
    return list(rows.items())


if __name__ == "__main__":
    with open("products.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("supplier_name", "our_name"))
        writer.writerows(make_rows(int(sys.argv[1]) if len(sys.argv) > 1 else 600))
