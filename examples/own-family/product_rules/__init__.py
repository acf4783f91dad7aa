"""A family of one's own: pairs of product names, whose models must beat the rules that the shop has already."""
