"""A folder that another process writes to: a command that would write there is told who does, and touches nothing."""

import pytest

from tests.cli.test_full_disks import COMMANDS
from tests.places import holder


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize("what", [what for what, (command, _) in COMMANDS.items() if "{disk}/out" in command])
def test_the_second_process_is_told_and_touches_nothing(what, folder, call, tmp_path, here):
    (tmp_path / "disk").mkdir()
    names = {"disk": tmp_path / "disk", "folder": folder, "call": call}
    other = holder(tmp_path / "disk" / "out")
    code, told, errors = here(*(str(word).format(**names) for word in COMMANDS[what][0]))
    assert (code, told) == (2, "")
    assert f"held by process {other.pid} on" in errors
    assert len(errors.strip().splitlines()) == 1
    assert [path.name for path in (tmp_path / "disk").iterdir()] == [".out.lock"]
    other.communicate("")
