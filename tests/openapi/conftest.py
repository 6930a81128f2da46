"""A seeded instance whose commits are real, in process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from random import Random

import pytest

from biobank.app import create_app, make_units, upgrade_database
from biobank.cli.instance import lay_ground
from biobank.core.clock import SetClock
from biobank.core.work import Units
from biobank.identity import queries as people
from biobank.places.service import NewContainer, add_container
from biobank.requests.service import NewItem, NewRequest, allocate, create, transition
from biobank.settings import load_settings
from biobank.specimens import queries as specimens
from biobank.specimens.service import NewCollection, plan_collection
from biobank.storage.service import put
from biobank.web.dispatch import Service
from tests import cast
from tests.availability.stock import STUDY, aliquots, child, draw, standing

ENGINES = ("sqlite", "postgresql")
NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Instance:
    """The application, a token per person, and values that exist here, by the name of the field or path part that takes them."""

    app: Service
    units: Units
    tokens: dict[str, str]
    known: dict[str, list[str]]


@pytest.fixture(scope="session", params=ENGINES)
def instance(
    request: pytest.FixtureRequest, new_database: Callable[[str, str], str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Instance]:
    """Children, tubes in every standing, boxes, an approved and a reserved request."""
    url = new_database(request.param, "fuzzed")
    upgrade_database(url)
    settings = load_settings(tmp_path_factory.mktemp("fuzzed"), url)
    units = make_units(settings, clock=SetClock(NOW), random=Random(5))
    with units.write() as work:
        lay_ground(work)
        tokens = cast.seat(work)
    known = _seed(units)
    yield Instance(create_app(settings, units), units, tokens, known)
    units.sessions.engine.dispose()  # type: ignore[attr-defined]


def _seed(units: Units) -> dict[str, list[str]]:
    with units.write() as work:
        work.actor = people.actor_by_login(work, "manager")
        participants = [child(work, number) for number in range(1, 4)]
        tubes, collections = [], []
        for participant in participants:
            primary = draw(work, participant, volume=4_000_000)
            tubes += [primary, *aliquots(work, primary, 4, 250_000)]
            planned = plan_collection(work, NewCollection(participant, STUDY, "DX", work.today))
            collections.append(planned.code)
            tubes += [row.code for row in specimens.of_collection(work, planned.id)]
        room = add_container(work, NewContainer("freezer", "Freezer", 0, 0))
        boxes = [add_container(work, NewContainer("box", f"Box {number}", 9, 9, room.code)).code for number in (1, 2)]
        put(work, standing(work, tubes[1]).specimen_id, "store", f"{boxes[0]}:A1", None)
        requests = [create(work, NewRequest(STUDY, "supply", [NewItem("BM", 2)])).code for _ in range(3)]
        for code in requests[1:]:
            transition(work, code, "submitted")
        work.actor = people.actor_by_login(work, "reviewer")
        for code in requests[1:]:
            transition(work, code, "approved")
        work.actor = people.actor_by_login(work, "manager")
        allocate(work, requests[2], 1, reason="agreed")
    return {
        "participant": participants, "specimen": tubes, "collection": collections, "container": [room.code, *boxes], "study": [STUDY, "interfant21"],
        "code": [*tubes, *requests], "specimens": tubes, "material": ["BM", "MNC_VIABLE", "PB"], "container_type": ["CRYOVIAL"],
        "event": ["DX", "D15"],
        "purpose": ["supply", "residual", "use:asparaginase", "store"], "organisation": ["maxima", "karolinska"],
        "component": ["residual_storage", "registry"],
        "form_version": ["v1"], "authority": ["joint"], "answer": ["yes", "no"], "role": ["parent", "second-parent"], "sub_study": ["asparaginase"],
        "position": [f"{boxes[0]}:A1", f"{boxes[1]}:B3", "C4"], "pick_list": requests, "design": ["cryovial"], "kind": ["box", "primary", "relapse"],
        "act": ["store", "move", "check-out", "return", "receive", "thaw", "measure", "aliquot", "hold", "undo", "pick", "deliver", "earmark",
                "dispose"],
        "earmark": ["asparaginase"], "status": ["in_custody", "expected"], "disease_group": ["BCP_ALL"], "sex": ["female"], "by": ["material,event"],
        "parent": [room.code], "witness": ["second"], "login": ["second"],
    }
