"""Requests that run together: how they share a batch, who runs when, and the model that runs them."""
