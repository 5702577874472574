"""``python -m bidilab``."""

from bidilab.cli import main

if __name__ == "__main__":
    main()
