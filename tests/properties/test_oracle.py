"""The oracle is a second opinion only while it shares nothing with what it judges."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

SOURCE = (Path(__file__).parent / "oracle.py").read_text("utf-8")


def test_the_oracle_imports_the_standard_library_alone() -> None:
    imported = set()
    for node in ast.walk(ast.parse(SOURCE)):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "a relative import could lead anywhere"
            imported.add((node.module or "").split(".")[0])
    assert imported <= set(sys.stdlib_module_names)


def test_the_oracle_reads_no_file() -> None:
    names = {node.id for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.Name)}
    names |= {node.attr for node in ast.walk(ast.parse(SOURCE)) if isinstance(node, ast.Attribute)}
    assert not names & {"open", "read_text", "read_bytes", "__import__", "import_module", "exec", "eval", "tomllib", "Path"}
