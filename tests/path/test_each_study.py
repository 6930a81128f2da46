"""Each of the six studies: enrol, plan, receive a tube; the closed ones as of a day when they were open."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.client import Client

# study -> (born, enrolled, stratum, store component, event, anchor to tell, episode)
CHILDREN: dict[str, dict[str, Any]] = {
    "alltogether1": {
        "born": "2019-05-04", "on": "2026-11-10", "event": "DX", "store": "residual_storage",
        "episode": {"kind": "primary", "disease_group": "BCP_ALL", "genetics": ["ETV6_RUNX1"]},
    },
    "interfant21": {
        "born": "2026-04-04", "on": "2026-11-10", "event": "DX", "store": "residual_storage",
        "episode": {"kind": "primary", "disease_group": "BCP_ALL", "genetics": ["KMT2A_r"]},
    },
    "interfant06": {
        "born": "2012-01-10", "on": "2012-06-01", "event": "DX", "store": "residual_storage",
        "episode": {"kind": "primary", "disease_group": "BCP_ALL", "genetics": ["KMT2A_r"]},
    },
    "blinfant": {
        "born": "2019-01-10", "on": "2019-06-01", "event": "EOI", "store": "residual_storage", "anchor": ("treatment_start", "2019-04-28"),
        "episode": {"kind": "primary", "disease_group": "BCP_ALL", "genetics": ["KMT2A_r"]},
    },
    "intreall2010": {
        "born": "2010-01-10", "on": "2016-06-01", "event": "REL", "store": "tumour_banking", "stratum": "SR",
        "episode": {"kind": "relapse", "disease_group": "BCP_ALL", "genetics": []},
    },
    "intreall2020": {
        "born": "2015-01-10", "on": "2025-06-01", "event": "REL", "store": "tumour_banking", "stratum": "SR",
        "episode": {"kind": "relapse", "disease_group": "BCP_ALL", "genetics": []},
    },
}


@pytest.mark.parametrize("study", CHILDREN)
def test_enrol_plan_receive(api: Callable[[str], Client], study: str) -> None:
    told = CHILDREN[study]
    manager, on = api("manager"), told["on"]
    body = {
        "study": study, "organisation": "maxima", "subject_number": f"{study}-1", "birth_date": told["born"], "sex": "female", "enrolled_on": on,
        "episode": {**told["episode"], "diagnosed_on": on},
    }
    if "stratum" in told:
        body["stratum"] = told["stratum"]
    child = manager.made("/participants", body)["code"]
    if "anchor" in told:
        kind, day = told["anchor"]
        manager.made(f"/participants/{child}/anchors", {"study": study, "kind": kind, "at": day})
    parents = [{"role": "parent", "signed_on": on}, {"role": "second-parent", "signed_on": on}]
    decision = {
        "study": study, "component": told["store"], "answer": "yes", "form_version": "v1", "signed_on": on, "authority": "joint",
        "signatories": parents,
    }
    manager.made(f"/participants/{child}/consent-decisions", decision)
    assert manager.read(f"/participants/{child}/verdict", study=study, purpose="store", on=on)["granted"] is True
    draw = manager.made("/collections", {"participant": child, "study": study, "event": told["event"], "planned_on": on})
    assert draw["in_window"] is True
    tube = draw["specimens"][0]["code"]
    facts = {"condition": "good", "volume": {"value": 2, "unit": "mL"}}
    received = api("technician").made("/scans", {"code": tube, "act": "receive", "occurred_at": f"{on}T12:00:00+02:00", "facts": facts})
    assert received["specimen"]["status"] == "in_custody"
    # A child who has turned twelve since then is held until it has decided itself.
    turned_twelve = int(told["born"][:4]) <= 2014
    assert received["verdict"] == ("held" if turned_twelve else "done")
