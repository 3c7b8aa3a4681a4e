"""`python -m convscope.cli`."""

from convscope.cli.main import main

main()
