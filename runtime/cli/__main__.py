"""`python -m runtime.cli`: the command line where the entry point is not on the path."""

from runtime.cli import main

main()
