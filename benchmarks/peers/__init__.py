"""What the product is measured beside: the notebooks of the references, PyTorch, TFX's own components, other servers."""
