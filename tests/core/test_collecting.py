import gc
import subprocess
import sys

from bidilab.core.collecting import collecting_rarely

ENDING = """
import atexit, gc
from bidilab.core.collecting import end_without_collecting
atexit.register(lambda: print("looked through:", gc.get_freeze_count() == 0))
end_without_collecting()
"""


def test_a_process_ends_without_looking_for_garbage_and_what_is_to_be_called_is():
    ended = subprocess.run([sys.executable, "-c", ENDING], capture_output=True, text=True, check=True)
    assert ended.stdout == "looked through: False\n"


def test_garbage_is_looked_for_as_before_after_the_block():
    before = gc.get_threshold()
    with collecting_rarely():
        assert gc.get_threshold()[0] > before[0]
    assert gc.get_threshold() == before
