"""The `charseq` command: a module for each group of commands."""

from pipeline.cli.charseq import main

__all__ = ["main"]
