"""The six shipped studies say what their sources say, and mark what none says."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import date

import pytest

from biobank.studies.rules import Based, window
from tests.studies.shipped import CODES, study


def parts(thing: object, path: str) -> Iterator[tuple[str, Based]]:
    if isinstance(thing, tuple):
        for number, part in enumerate(thing):
            yield from parts(part, f"{path}[{number}]")
    elif is_dataclass(thing):
        if isinstance(thing, Based):
            yield path, thing
        for field in fields(thing):
            if not field.name.startswith("_"):
                yield from parts(getattr(thing, field.name), f"{path}.{field.name}")


@pytest.mark.parametrize("code", CODES)
def test_every_part_names_its_source_or_is_marked_assumed(code: str) -> None:
    found = list(parts(study(code), code))
    assert len(found) > 20
    assert [path for path, part in found if not part.source and not part.assumed] == []


@pytest.mark.parametrize(
    ("code", "opens", "closes", "events"),
    [
        ("alltogether1", date(2020, 7, 13), None, "DX D15 D29 D50 D71 REM REL LP GERMLINE ASP_D7 ASP_D14"),
        ("interfant21", date(2022, 12, 15), None, "DX PRED_D8 EOI POST_BLINA1 EOC POST_BLINA2 PRE_HSCT REL"),
        ("interfant06", date(2006, 2, 1), date(2016, 8, 31), "DX EOI EOC POST_MARMA REL"),
        ("blinfant", date(2018, 7, 1), date(2021, 12, 31), "EOI BLINA_END"),
        ("intreall2010", date(2014, 5, 1), None, "REL EOI POST_CONS PRE_SCT REL_NEXT"),
        ("intreall2020", date(2023, 5, 1), date(2028, 4, 30), "REL EOI POST_BLINA PRE_SCT REL_NEXT"),
    ],
)
def test_recruitment_and_events(code: str, opens: date, closes: date | None, events: str) -> None:
    found = study(code)
    assert (found.opens_on, found.closes_on) == (opens, closes)
    assert [event.code for event in found.events] == events.split()


def test_sub_study_codes_are_unique_across_studies() -> None:
    codes = [sub.code for code in CODES for sub in study(code).sub_studies]
    assert len(codes) == len(set(codes)) == 11
    assert {"asparaginase", "cns_detection", "interfant21_mrd", "interfant06_mrd", "blinfant_mrd"} <= set(codes)


@pytest.mark.parametrize("code", CODES)
def test_every_sub_study_has_a_component_of_its_own(code: str) -> None:
    found = study(code)
    components = {component.code for component in found.components}
    assert {"extra_use", "genetic", "commercial", "outside_eea", "return_of_results"} <= components
    assert [sub.component for sub in found.sub_studies] == [sub.code for sub in found.sub_studies]


@pytest.mark.parametrize(
    ("code", "event", "anchor_day", "expected"),
    [
        ("alltogether1", "DX", date(2026, 3, 10), (date(2026, 3, 10), date(2026, 3, 3), date(2026, 3, 10))),
        ("alltogether1", "D29", date(2026, 2, 1), (date(2026, 3, 2), date(2026, 2, 28), date(2026, 3, 9))),
        ("alltogether1", "LP", date(2026, 3, 10), (date(2026, 3, 10),) * 3),
        ("alltogether1", "ASP_D7", date(2024, 2, 24), (date(2024, 3, 2), date(2024, 3, 1), date(2024, 3, 3))),
        ("alltogether1", "ASP_D14", date(2026, 3, 1), (date(2026, 3, 15), date(2026, 3, 13), date(2026, 3, 17))),
        ("intreall2010", "PRE_SCT", date(2026, 3, 10), (date(2026, 3, 3), date(2026, 2, 28), date(2026, 3, 17))),
    ],
)
def test_windows(code: str, event: str, anchor_day: date, expected: tuple[date, date, date]) -> None:
    found = study(code).event(event)
    assert found is not None
    assert window(found, anchor_day) == expected


def test_a_diagnosis_draw_is_marrow_blood_serum_tube_and_native_csf() -> None:
    event = study("alltogether1").event("DX")
    assert event is not None
    assert [(draw.material, draw.container_type) for draw in event.draws] == [
        ("BM", "HEPARIN_NACL"), ("PB", "EDTA"), ("PB", "SERUM_PLAIN"), ("CSF_NATIVE", "STERILE_UNIVERSAL"),
    ]
    assert event.source == ("S1",)
    assert event.assumed_fields == ("window_days",)


def test_asparaginase_wants_serum_or_plasma_after_each_dose() -> None:
    found = study("alltogether1")
    sub = found.sub_study("asparaginase")
    assert sub is not None
    (wanted,) = sub.wanted
    assert (wanted.material, wanted.alternatives) == ("SERUM", ("PLASMA_HEPARIN", "PLASMA_EDTA"))
    assert wanted.min_amount is not None and (wanted.min_amount.amount, wanted.min_amount.unit) == (300_000, "nL")
    for code in wanted.events:
        event = found.event(code)
        assert event is not None and event.anchor == "asparaginase_dose" and event.repeatable and event.assumed


def test_registry_ids_of_a_stratum_are_its_own() -> None:
    ids = {stratum.code: stratum.registry_ids["nct"] for stratum in study("intreall2010").strata}
    assert ids == {"SR": "NCT01802814", "HR": "NCT03590171"}
