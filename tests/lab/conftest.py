"""What tests of the lab share."""

from pathlib import Path

import pytest

from tests.conftest import ROOT


@pytest.fixture(scope="session")
def traces() -> Path:
    """Recordings of real stacks with planted truth; tests that need them skip where they are not."""
    folder = ROOT.parent / "shared" / "traces"
    if not folder.is_dir():
        pytest.skip("../shared/traces is not here")
    return folder
