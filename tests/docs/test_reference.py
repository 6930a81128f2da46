"""docs/reference.md says what the code says: every act, problem, permission, setting and command."""

import subprocess
import sys
from pathlib import Path


def test_the_reference_is_written_from_this_code() -> None:
    top = Path(__file__).parents[2]
    checked = subprocess.run([sys.executable, ".ci/reference.py", "--check"], cwd=top, check=False)
    assert checked.returncode == 0, "run: python .ci/reference.py"
