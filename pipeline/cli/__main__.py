"""`python -m pipeline.cli` is `charseq`, for where the command is not installed."""

from pipeline.cli import main

main()
