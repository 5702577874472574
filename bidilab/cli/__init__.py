"""The command line. `main` is the entry point; each command has a module of its own."""

from bidilab.cli.app import main

__all__ = ["main"]
