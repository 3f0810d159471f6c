"""What callers can have done without an agent: a catalogue of services behind one protocol."""

from collections.abc import Mapping

from selfservice.orders import LatestOrder
from selfservice.service import Served, Service, ServiceFailed
from storage import Database

__all__ = ["Served", "Service", "ServiceFailed", "catalogue"]


def catalogue(db: Database) -> Mapping[str, Service]:
    """Every service by the name that dialplans use. Making it needs no running database."""
    services: tuple[Service, ...] = (LatestOrder(db),)
    return {service.name: service for service in services}
