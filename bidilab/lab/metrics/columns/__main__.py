"""Print ``docs/columns.md``."""

import sys

from bidilab.lab.metrics.columns.page import page

sys.stdout.write(page())
