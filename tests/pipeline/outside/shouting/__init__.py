"""A family that the product does not know: words of small letters, and the same in capitals."""
