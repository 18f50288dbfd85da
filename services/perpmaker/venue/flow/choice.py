"""Who trades against the clients: nobody, the simulated participants, or a recording."""

from __future__ import annotations

from perpmaker.venue.core import Participants
from perpmaker.venue.engine.markets import Market
from perpmaker.venue.flow.participants import HouseParticipants
from perpmaker.venue.flow.replay.player import RecordedParticipants
from perpmaker.venue.flow.replay.queueing import queue_model
from perpmaker.venue.options import VenueOptions


def participants_of(options: VenueOptions, markets: tuple[Market, ...]) -> Participants | None:
    """The house side that the options ask for. Raises `ValueError` for a recording that cannot be played."""
    if options.replay is not None:
        return RecordedParticipants(markets, options.replay, queue_model(options.queue))
    return HouseParticipants(markets, options.seed, options.market) if options.flow else None
