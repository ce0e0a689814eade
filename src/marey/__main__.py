"""`python -m marey` is `marey`."""

from marey.cli import main

main()
