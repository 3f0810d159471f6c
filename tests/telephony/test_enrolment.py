"""One of our exchanges registers at another, as a telephone of its."""

from __future__ import annotations

import pytest

from calls.errors import CallFailed
from telephony.sip.address import Address
from tests.telephony.conftest import PASSWORD, Switchboard, running


async def test_inside_it_is_registered_and_afterwards_no_more(switchboard: Switchboard) -> None:
    registrar, phones = Address("127.0.0.1", switchboard.telephony.port), switchboard.telephony.phones
    async with running() as other:
        async with other.telephony.registered(registrar, "1001", PASSWORD):
            assert phones.reachable("1001")
        # Taking it back is challenged as well; who leaves before answering that stays registered for minutes.
        assert not phones.reachable("1001")


async def test_a_wrong_password_is_told_with_its_status(switchboard: Switchboard) -> None:
    registrar = Address("127.0.0.1", switchboard.telephony.port)
    async with running() as other:
        with pytest.raises(CallFailed) as failed:
            async with other.telephony.registered(registrar, "1001", "wrong"):
                pass
        assert failed.value.status in (401, 403)
