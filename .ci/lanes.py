"""Fails where a lane was skipped: every shared test ran on both databases, and nothing was skipped in CI. Says what the drills counted.

A test that is marked as one engine's own (`conftest.py` writes that into the report) belongs to no lane.
"""

import os
import re
import sys
import xml.etree.ElementTree as ET
from collections import Counter


def main(path: str) -> int:
    """Count the tests of each lane; exit 1 when the shared ones differ, or when CI skipped one."""
    cases = list(ET.parse(path).getroot().iter("testcase"))
    for counted in (one for case in cases for one in case.findall("properties/property[@name='counts']")):
        print(counted.get("value"))
    lanes: dict[str, Counter[str]] = {"sqlite": Counter(), "postgresql": Counter()}
    skipped = []
    for case in cases:
        name = f"{case.get('classname')}.{case.get('name')}"
        if case.find("skipped") is not None:
            skipped.append(name)
            continue
        if case.find("properties/property[@name='engine']") is not None:
            continue
        for lane in lanes:
            if re.search(rf"[\[-]{lane}[\]-]", name):
                lanes[lane][name.replace(lane, "*")] += 1
    for lane, found in lanes.items():
        print(f"{lane}: {sum(found.values())} shared tests")
    different = set(lanes["sqlite"]) ^ set(lanes["postgresql"])
    for name in sorted(different):
        print(f"only in one lane: {name}", file=sys.stderr)
    for name in skipped:
        print(f"skipped: {name}", file=sys.stderr)
    failed = bool(different) or not lanes["sqlite"] or (bool(skipped) and os.environ.get("CI") == "true")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
