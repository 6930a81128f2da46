"""Use cases of corrections: one person proposes, a second confirms or declines."""

from biobank.corrections.service.answering import confirm, decline
from biobank.corrections.service.foreseeing import Foreseen, ForeseenSide, ForeseenTube, foresee
from biobank.corrections.service.proposing import propose_move, propose_revival, propose_swap

__all__ = ["Foreseen", "ForeseenSide", "ForeseenTube", "confirm", "decline", "foresee", "propose_move", "propose_revival", "propose_swap"]
