"""One thin path through the whole mission, over the API: from a draw to a delivered tube."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from biobank.app import CHECKS
from biobank.core.work import Units
from biobank.ledger import service as ledger
from tests.client import Client

CHILD = {
    "study": "alltogether1", "organisation": "maxima", "subject_number": "NL-0001", "birth_date": "2019-05-04", "sex": "female",
    "enrolled_on": "2026-11-18", "episode": {"kind": "primary", "diagnosed_on": "2026-11-18", "disease_group": "BCP_ALL", "genetics": ["ETV6_RUNX1"]},
}
SIGNED = {"form_version": "v1", "signed_on": "2026-11-19", "authority": "joint",
          "signatories": [{"role": "parent", "signed_on": "2026-11-19"}, {"role": "second-parent", "signed_on": "2026-11-19"}]}


def test_from_draw_to_delivery(api: Callable[[str], Client], units: Units) -> None:
    manager, bench = api("manager"), api("technician")
    child = manager.made("/participants", CHILD)["code"]
    for component in ("registry", "residual_storage", "asparaginase", "cns_detection", "extra_use"):
        manager.made(f"/participants/{child}/consent-decisions", {"study": "alltogether1", "component": component, "answer": "yes", **SIGNED})
    draw = manager.made("/collections", {"participant": child, "study": "alltogether1", "event": "DX", "planned_on": "2026-11-18"})
    assert {tube["material"] for tube in draw["specimens"]} == {"BM", "PB", "CSF_NATIVE"}
    box = manager.made("/containers", {"kind": "box", "title": "Box 1", "rows": 9, "columns": 9})["code"]
    marrow = next(tube["code"] for tube in draw["specimens"] if tube["material"] == "BM")

    def scan(act: str, code: str, **more: Any) -> Any:
        return bench.made("/scans", {"code": code, "act": act, **more})

    received = scan("receive", marrow, facts={"condition": "good", "volume": {"value": 4, "unit": "mL"}})
    assert received["verdict"] == "done"
    api("diagnostics").made("/scans", {"code": marrow, "act": "release"})
    made = bench.made(f"/specimens/{marrow}/aliquots", {"count": 4, "volume": {"value": 250, "unit": "uL"}})
    assert made["parent"]["remaining"]["base"] == 3_000_000
    first = made["specimens"][0]["code"]
    assert bench.get(f"/specimens/{first}/label", design="cryovial", format="svg").status_code == 200
    stored = scan("store", first, context={"container": box})
    assert stored["specimen"]["position"] == f"{box}:A1"
    refused = bench.post("/scans", {"code": made["specimens"][1]["code"], "act": "store", "position": f"{box}:A1"})
    assert refused.status_code == 409 and refused.get_json()["type"] == "/problems/position-occupied"
    assert first[:4] in refused.get_json()["detail"]
    entries = bench.read(f"/specimens/{first}/custody")["entries"]
    assert [entry["act"] for entry in entries] == ["register", "store"]
    with units.read() as work:
        assert list(ledger.verify(work, CHECKS)) == []
