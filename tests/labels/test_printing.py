"""Labels of real tubes: a look writes nothing, a sheet writes a `label` entry for each tube, a cancelled plan gets none."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from biobank.core.codes import CodeMistyped, CodeUnknown
from biobank.core.errors import FieldsWrong, Forbidden
from biobank.core.units import Quantity
from biobank.core.vocabulary import read_vocabularies
from biobank.core.work import Work
from biobank.labels import queries, service
from biobank.labels.models import PrintJob
from biobank.labels.rules import DesignForAnother, DesignUnknown, LabelFieldMissing, LabelForCancelled, SheetUnknown
from biobank.settings import shipped
from biobank.specimens.service import NewArrival, register_arrival
from tests.labels import decoders
from tests.labels.ward import STUDY, acts, cancel, enrolled, entries, planned


def test_the_fields_of_an_expected_tube(work: Work) -> None:
    plan = planned(work)
    first = queries.tubes(work, plan.codes)[plan.codes[0]]
    assert first.fields == {
        "code": plan.codes[0],
        "code_text": f"{plan.codes[0][:4]} {plan.codes[0][4:]}",
        "code_tail": plan.codes[0][4:],
        "material": "Bone marrow",
        "material_short": "BM",
        "participant": plan.participant,
        "study": STUDY,
        "event": "DX",
        "drawn_on": work.today.isoformat(),
        "amount": None,
        "ordinal": f"1/{len(plan.codes)}",
        "container_type": "Heparin + NaCl",
        "external_code": None,
    }
    assert first.status == "expected"


def test_the_fields_of_a_tube_that_came_with_a_code(work: Work) -> None:
    tube, _ = register_arrival(
        work, NewArrival(enrolled(work), STUDY, "BM", "HEPARIN_NACL", "residual", work.now, Quantity(1_500_000, "nL"), ("FluidX", "0363132553"))
    )
    fields = queries.tubes(work, [tube.code])[tube.code].fields
    assert (fields["amount"], fields["external_code"], fields["event"]) == ("1.5 mL", "0363132553", None)
    (page,) = decoders.pages_of_pdf(service.render_for_specimen(work, tube.code, "external"), 300)
    assert decoders.by_zxing(page) == [("code128", "0363132553"), ("datamatrix", tube.code)]


@pytest.mark.parametrize("form", service.FORMATS)
def test_a_look_at_a_label_writes_nothing(work: Work, form: str) -> None:
    code = planned(work).codes[0]
    work.session.flush()
    before = entries(work)
    made = service.render_for_specimen(work, f"{code[:4]} {code[4:]}".lower(), "tube", form)
    shown = {
        "pdf": lambda: decoders.pages_of_pdf(made, 300)[0],
        "png": lambda: decoders.picture_of_png(made, 300),
        "svg": lambda: decoders.picture_of_svg(made, 300),
    }[form]()
    assert decoders.by_zxing(shown) == [("code128", code), ("datamatrix", code)]
    assert entries(work) == before
    assert not work.session.new
    assert not work.session.dirty


def test_a_sheet_writes_an_entry_for_each_tube_and_can_be_fetched_again(work: Work) -> None:
    codes = planned(work).codes[::-1]
    printed = service.print_sheet(work, codes, "tube", start=51)
    assert printed.labels == len(codes)
    assert [acts(work, code) for code in codes] == [["register", "expect", "label"]] * len(codes)
    pdf = service.sheet(work, printed.code)
    assert service.sheet(work, printed.code) == pdf
    assert [acts(work, code)[-2:] for code in codes] == [["expect", "label"]] * len(codes)
    pages = decoders.pages_of_pdf(pdf, 300)
    assert len(pages) == 2
    design = queries.design("tube")
    sheet = design.stock.sheet
    assert sheet is not None
    for index, code in enumerate(codes, start=50):
        page, place = divmod(index, sheet.places)
        cut = decoders.cut(pages[page], 300, *sheet.place(place), design.stock.width, design.stock.height)
        assert decoders.by_zxing(cut) == [("code128", code), ("datamatrix", code)]


def test_a_label_of_a_cancelled_plan_is_refused_and_the_others_of_its_sheet_get_none(work: Work) -> None:
    codes = planned(work).codes
    cancel(work, codes[1])
    with pytest.raises(LabelForCancelled, match=codes[1][4:]):
        service.render_for_specimen(work, codes[1])
    with pytest.raises(LabelForCancelled):
        service.print_sheet(work, codes)
    assert acts(work, codes[0]) == ["register", "expect"]
    assert work.session.execute(select(func.count()).select_from(PrintJob)).scalar_one() == 0


def test_a_sheet_is_not_drawn_again_once_one_of_its_tubes_is_cancelled(work: Work) -> None:
    codes = planned(work).codes
    printed = service.print_sheet(work, codes)
    cancel(work, codes[0])
    with pytest.raises(LabelForCancelled):
        service.sheet(work, printed.code)


def test_what_is_asked_wrongly_is_named_and_nothing_is_written(work: Work) -> None:
    codes = planned(work).codes
    with pytest.raises(CodeMistyped):
        service.print_sheet(work, [codes[0][:7] + "?"])
    with pytest.raises(CodeUnknown):
        service.render_for_specimen(work, "HNND171X")
    with pytest.raises(DesignUnknown, match="cryovial"):
        service.print_sheet(work, codes, "jar")
    with pytest.raises(LabelFieldMissing, match="external_code"):
        service.print_sheet(work, codes, "external")
    with pytest.raises(FieldsWrong) as refused:
        service.print_sheet(work, [codes[0], codes[1], codes[0].lower()])
    assert [fault.pointer for fault in refused.value.faults] == ["/specimens/2"]
    for start in (0, 101):
        with pytest.raises(FieldsWrong) as refused:
            service.print_sheet(work, codes, start=start)
        assert refused.value.faults[0].pointer == "/start"
    with pytest.raises(FieldsWrong):
        service.print_sheet(work, [])
    with pytest.raises(FieldsWrong):
        service.render_for_specimen(work, codes[0], dpi=150)
    with pytest.raises(SheetUnknown):
        service.sheet(work, codes[0])
    assert acts(work, codes[0]) == ["register", "expect"]


def test_a_design_for_another_kind_of_thing_is_refused(work: Work, monkeypatch: pytest.MonkeyPatch) -> None:
    code = planned(work).codes[0]
    box = replace(queries.design("tube"), code="box", made_for="container")
    known = queries.designs() | {"box": box}
    monkeypatch.setattr(queries, "designs", lambda: known)
    with pytest.raises(DesignForAnother, match=r"is for a container.*Designs for it: cryovial, external, tube"):
        service.render_for_specimen(work, code, "box")


def test_who_may_look_and_who_may_print(work: Work, as_: Callable[[str], Work]) -> None:
    codes = planned(work).codes
    printed = service.print_sheet(work, codes[:1])
    as_("auditor")
    assert service.render_for_specimen(work, codes[1])
    assert service.sheet(work, printed.code)
    with pytest.raises(Forbidden, match="print-labels"):
        service.print_sheet(work, codes[1:])
    for stranger in ("elsewhere", "infants-only"):
        as_(stranger)
        with pytest.raises(CodeUnknown):
            service.render_for_specimen(work, codes[1])
        with pytest.raises(CodeUnknown):
            service.print_sheet(work, codes[1:])
        with pytest.raises(SheetUnknown):
            service.sheet(work, printed.code)
    assert acts(work, codes[1]) == ["register", "expect"]


def test_every_material_of_the_vocabulary_fits_the_smallest_label() -> None:
    found = read_vocabularies(shipped("config") / "vocabularies")["material"]
    for term in found.values():
        fields = {"code": "SB4DR120", "code_text": "SB4D R120", "material": term.title, "material_short": str(term.facts.get("short") or term.code)}
        for dpi in (203, 300, 600):
            for design in ("cryovial", "tube"):
                words = {each.text for each in service.proven(queries.design(design), fields, dpi).layout.words}
                assert fields["material_short"] in words
                assert design == "cryovial" or term.title in words
