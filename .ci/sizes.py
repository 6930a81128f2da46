"""File and function sizes of the package; fails above the limits of the architecture."""

import ast
import sys
from pathlib import Path

FILE_LIMIT, FILE_P95, FUNCTION_P95 = 400, 300, 40


def p95(sizes: list[int]) -> int:
    """The size that 95 of a hundred do not exceed."""
    return sorted(sizes)[max(0, round(len(sizes) * 0.95) - 1)]


def main() -> int:
    """Print the figures; exit 1 when one is over its limit."""
    files: dict[str, int] = {}
    functions: dict[str, int] = {}
    for path in sorted(Path("biobank").rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        files[str(path)] = text.count("\n")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef):
                functions[f"{path}:{node.lineno} {node.name}"] = (node.end_lineno or node.lineno) - node.lineno + 1
    sizes, lengths = list(files.values()), list(functions.values())
    print(f"{len(files)} files, p95 {p95(sizes)} lines, longest {max(sizes)} ({max(files, key=files.__getitem__)})")
    print(f"{len(functions)} functions, p95 {p95(lengths)} lines, longest {max(lengths)} ({max(functions, key=functions.__getitem__)})")
    over = max(sizes) > FILE_LIMIT or p95(sizes) > FILE_P95 or p95(lengths) > FUNCTION_P95
    return 1 if over else 0


if __name__ == "__main__":
    sys.exit(main())
