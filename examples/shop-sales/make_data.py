"""Writes sales.csv: three years of daily sales of ten shops. Each has a closed day and an empty cell, as real tables have."""

import csv
import datetime
import math
import random

SHOPS = 10
DAYS = 3 * 365
FIRST = datetime.date(2022, 1, 1)


def make_sales(shop: int, chance: random.Random) -> list[float]:
    """Returns the sales of a shop, a value a day: a level that wanders, the week, the year, and noise."""
    level = chance.uniform(200, 2_000)
    week = [chance.gauss(1, 0.15) for _ in range(7)]
    sales = []
    for day in range(DAYS):
        level *= math.exp(chance.gauss(0.0002, 0.004))
        year = 1 + 0.1 * math.sin(2 * math.pi * (day / 365 + shop / SHOPS))
        sales.append(level * week[day % 7] * year * math.exp(chance.gauss(0, 0.05)))
    return sales


def main() -> None:
    """Writes the file."""
    chance = random.Random(7)  # noqa: S311 (data, no secret)
    with open("sales.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["date", "shop", "sales"])
        for shop in range(SHOPS):
            for day, value in enumerate(make_sales(shop, chance)):
                date = FIRST + datetime.timedelta(days=day)
                if day == 123 + shop:
                    continue  # closed
                writer.writerow([date.isoformat(), f"shop-{shop + 1}", "" if day == 400 else f"{value:.2f}"])


if __name__ == "__main__":
    main()
