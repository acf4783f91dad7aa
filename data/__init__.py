"""Corpora: which texts there are, where each comes from, how it is cleaned, and how any text is read as a stream."""
