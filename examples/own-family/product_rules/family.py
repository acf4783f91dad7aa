"""The family `products`: pairs, with one more floor."""

import dataclasses

from pipeline.families.family import Floors
from pipeline.families.pairs.family import FAMILY as PAIRS
from pipeline.families.pairs.family import PairsConfig, PairsFamily


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProductsConfig(PairsConfig):
    """A task of product names. Its settings are those of pairs."""

    family: str = "products"


class ProductsFamily(PairsFamily):
    """Product names as suppliers write them, and as the catalogue does."""

    name = "products"
    summary = "product names, whose models must beat the shop's own rules"
    config_class = ProductsConfig

    @property
    def schema_path(self) -> str:
        """The schema of pairs: the examples have the same features."""
        return PAIRS.schema_path

    def floors(self, config: ProductsConfig) -> Floors:
        """Returns the floors of pairs, and the rules."""
        return Floors("product_rules.floor.floor_fn", super().floors(config).settings)


FAMILY = ProductsFamily()
