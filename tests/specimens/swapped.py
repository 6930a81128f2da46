"""Two families of tubes of two children, and corrections done to them by two managers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from sqlalchemy import text

from biobank.app import CHECKS
from biobank.core.units import Quantity
from biobank.core.work import Grant, Units, Work
from biobank.corrections.service import confirm, propose_swap
from biobank.custody.service import Recorded
from biobank.identity import queries as people
from biobank.identity import service as identity
from biobank.ledger import service as ledger
from biobank.specimens.service import NewDerivatives, derive
from tests.availability import stock
from tests.ward import by, entries, told

SECOND = "second-manager"


@dataclass
class Tree:
    """A child's marrow with two aliquots and the plasma of one of them."""

    child: str
    marrow: str
    aliquots: list[str]
    plasma: str

    @property
    def codes(self) -> list[str]:
        """All of it."""
        return [self.marrow, *self.aliquots, self.plasma]


def seat_second(units: Units, *grants: Grant, login: str = SECOND) -> None:
    """A second person who corrects."""
    with by(units) as work:
        identity.add_person(work, login, "Second", "a long enough password", "maxima", grants or (Grant("manager"),))


def tree(work: Work, number: int, **child: Any) -> Tree:
    """A child with its tubes."""
    code = stock.child(work, number, **child)
    marrow = stock.draw(work, code)
    aliquots = stock.aliquots(work, marrow, 2)
    plasma = derive(work, aliquots[0], NewDerivatives("BM_PLASMA", 1, Quantity(20_000, "nL"), Quantity(50_000, "nL")))[1][0].code
    return Tree(code, marrow, aliquots, plasma)


def as_second(units: Units, do: Callable[[Work], Any], login: str = SECOND) -> Any:
    """Something the second person does."""
    with units.write() as work:
        work.actor = people.actor_by_login(work, login)
        return do(work)


def proposed(units: Units, code: str, other: str, login: str = "manager") -> int:
    """A swap that waits; its number."""
    with by(units, login) as work:
        return propose_swap(work, code, other, "labels were changed at the bench").id


def confirmed(units: Units, correction: int) -> list[Recorded]:
    """The second person confirms."""
    done: list[Recorded] = as_second(units, lambda work: confirm(work, correction))
    return done


def swapped(units: Units, one: Tree, other: Tree) -> int:
    """Proposed by the manager, confirmed by the second."""
    number = proposed(units, one.marrow, other.marrow)
    confirmed(units, number)
    return number


def owner(units: Units, code: str) -> tuple[str, str, str]:
    """Participant, study and draw of a tube."""
    shown = told(units, code)
    return shown["participant"], shown["study"], shown["collection"]


def acts(units: Units, code: str) -> list[str]:
    """What stands in a tube's chain."""
    return [body["act"] for body in entries(units, code)]


def sound(units: Units) -> bool:
    """Whether verification finds nothing."""
    with by(units) as work:
        found = list(ledger.verify(work, CHECKS))
        assert found == []
        return work.session.execute(text("SELECT count(*) FROM correction_tube WHERE waiting")).scalar_one() >= 0
