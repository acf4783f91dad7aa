"""The models of the server: which are loaded, their versions and labels, and how a SavedModel runs."""
