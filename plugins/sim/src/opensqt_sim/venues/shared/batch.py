"""Batches: one outcome for each item, whatever happens to the others."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from opensqt_sim.venues.shared.calls import VenueError

T = TypeVar("T")
R = TypeVar("R")


def each(items: Iterable[T], act: Callable[[T], R]) -> Sequence[R | VenueError]:
    """Return what `act` makes of each item, in order; a `VenueError` concerns its own item only."""
    return [_outcome(item, act) for item in items]


def _outcome(item: T, act: Callable[[T], R]) -> R | VenueError:
    try:
        return act(item)
    except VenueError as error:
        return error
