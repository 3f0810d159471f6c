"""The registrar by the steps of RFC 3261 section 10.3, and the client that registers with it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from telephony.sip.address import Address
from telephony.sip.auth import Algorithm, ClientCredentials, answer_challenges, ha1
from telephony.sip.build import response_to
from telephony.sip.digest import Account, Verdict
from telephony.sip.events import Requested, Responded, SipEvent
from telephony.sip.headers import Challenge, NameAddr
from telephony.sip.message import Request, Response, parse
from telephony.sip.registering import Registration, retry_after
from telephony.sip.registration import Binding, RegisterReply, Registrar
from telephony.sip.uri import Uri
from tests.telephony.sip.network import Network, Party, a_request

ACCOUNTS = {
    user: Account(user, ha1(Algorithm.MD5, user, "hotline", "pw"), ha1(Algorithm.SHA256, user, "hotline", "pw"))
    for user in ("1001", "1002")
}
FLOW = Address("127.0.0.9", 40000)


class Phone:
    """Registers a user; each REGISTER answers a fresh challenge."""

    def __init__(self, user: str = "1001", call_id: str = "phone") -> None:
        self.registrar = Registrar("hotline", b"k" * 32, ACCOUNTS.get)
        self.user, self.call_id, self.sequence = user, call_id, 0
        self.now = 1000.0

    def registers(
        self, *contacts: str, source: Address = FLOW, sequence: int | None = None, call_id: str = "", to: str = "",
        expires: str = "", **more: str,
    ) -> RegisterReply:
        self.sequence = self.sequence + 1 if sequence is None else sequence
        headers = {
            "To": f"<sip:{to or self.user}@hotline>", "CSeq": f"{self.sequence} REGISTER",
            "Call_ID": call_id or self.call_id, "target": "sip:hotline",
        }
        if expires:
            headers["Expires"] = expires
        headers.update(more)
        text = {**headers, **({"Contact": ", ".join(contacts)} if contacts else {})}
        drop = "" if contacts else "Contact"
        first = parse(a_request("REGISTER", drop=drop, **text))
        assert isinstance(first, Request)
        challenge = self.registrar.handle(first, source, self.now)
        assert challenge.status == 401
        credentials = ClientCredentials(self.user, "pw")
        answers = answer_challenges(first, response_to(first, 401, headers=challenge.headers), credentials, "cn")
        second = parse(a_request("REGISTER", drop=drop, **text, **dict(answers)))
        assert isinstance(second, Request)
        return self.registrar.handle(second, source, self.now)

    @property
    def reached(self) -> list[str]:
        return [str(binding.contact) for binding in self.registrar.contacts(self.user, self.now)]


@pytest.fixture
def phone() -> Phone:
    return Phone()


def test_a_phone_registers_and_is_reached_the_way_it_came(phone: Phone) -> None:
    reply = phone.registers("<sip:1001@192.168.1.5:5062>;expires=120")
    assert reply == RegisterReply(200, (("Contact", "<sip:1001@192.168.1.5:5062>;expires=120"),), True, "1001")
    (binding,) = phone.registrar.contacts("1001", phone.now)
    assert binding.source == FLOW
    assert binding.expires == 1120.0
    assert phone.registrar.contacts("1002", phone.now) == []


def test_several_contacts_the_preferred_first(phone: Phone) -> None:
    phone.registers("<sip:a@127.0.0.9>;q=0.2", "<sip:b@127.0.0.9>;q=0.9", "<sip:c@127.0.0.9>")
    assert phone.reached == ["sip:c@127.0.0.9", "sip:b@127.0.0.9", "sip:a@127.0.0.9"]


@pytest.mark.parametrize(
    ("contact", "header", "granted"),
    [
        ("<sip:a@b>;expires=100", "", 100),
        ("<sip:a@b>;expires=100", "200", 100),
        ("<sip:a@b>", "200", 200),
        ("<sip:a@b>", "", 3600),
        ("<sip:a@b>;expires=99999", "", 3600),
        ("<sip:a@b>;expires=60", "", 60),
    ],
)
def test_how_long_a_binding_lives(phone: Phone, contact: str, header: str, granted: int) -> None:
    assert phone.registers(contact, expires=header).headers == (("Contact", f"<sip:a@b>;expires={granted}"),)


def test_too_short_a_life_is_refused_with_the_shortest(phone: Phone) -> None:
    assert phone.registers("<sip:a@b>;expires=59") == RegisterReply(423, (("Min-Expires", "60"),), False, "1001")
    assert phone.reached == []


def test_a_refresh_changes_nothing_but_the_time(phone: Phone) -> None:
    phone.registers("<sip:a@b>;expires=100")
    phone.now += 90
    reply = phone.registers("<sip:a@b>;expires=100")
    assert (reply.changed, phone.registrar.contacts("1001", phone.now)[0].expires) == (False, 1190.0)


def test_a_phone_that_comes_back_by_another_flow_is_reached_there(phone: Phone) -> None:
    phone.registers("<sip:a@b>")
    reply = phone.registers("<sip:a@b>", source=Address("127.0.0.9", 41111))
    assert reply.changed
    assert [item.source.port for item in phone.registrar.contacts("1001", phone.now)] == [41111]


def test_a_phone_unregisters_one_contact_or_all(phone: Phone) -> None:
    phone.registers("<sip:a@b>", "<sip:c@d>")
    assert phone.registers("<sip:a@b>;expires=0").changed
    assert phone.reached == ["sip:c@d"]
    assert phone.registers("*", expires="0") == RegisterReply(200, (), True, "1001")
    assert phone.reached == []


@pytest.mark.parametrize(("contacts", "expires"), [(["*"], ""), (["*"], "60"), (["*", "<sip:a@b>"], "0")])
def test_a_star_stands_alone_and_with_expires_0(phone: Phone, contacts: list[str], expires: str) -> None:
    phone.registers("<sip:c@d>")
    assert phone.registers(*contacts, expires=expires).status == 400
    assert phone.reached == ["sip:c@d"]


def test_a_query_without_contacts_lists_the_bindings(phone: Phone) -> None:
    phone.registers("<sip:a@b>;expires=100")
    phone.now += 40
    assert phone.registers() == RegisterReply(200, (("Contact", "<sip:a@b>;expires=60"),), False, "1001")


@pytest.mark.parametrize(("sequence", "call_id", "status"), [(4, "phone", 500), (5, "phone", 500), (1, "new", 200)])
def test_what_comes_out_of_order_changes_nothing_at_all(phone: Phone, sequence: int, call_id: str, status: int) -> None:
    phone.registers("<sip:a@b>", sequence=5)
    reply = phone.registers("<sip:x@y>", "<sip:a@b>;expires=0", sequence=sequence, call_id=call_id)
    assert reply.status == status
    assert phone.reached == (["sip:a@b"] if status == 500 else ["sip:x@y"])


def test_nobody_registers_for_another(phone: Phone) -> None:
    assert phone.registers("<sip:a@b>", to="1002").status == 403
    assert phone.registrar.contacts("1002", phone.now) == []


@pytest.mark.parametrize("contact", ["<sip:a@b>;expires=soon", "<sip:a@b>;q=2", "<tel:123>", "<sip:a"])
def test_a_contact_that_makes_no_sense_is_a_bad_request(phone: Phone, contact: str) -> None:
    assert phone.registers(contact).status == 400
    assert phone.reached == []


def test_no_user_fills_the_registrar(phone: Phone) -> None:
    assert phone.registers(*(f"<sip:{number}@b>" for number in range(11))).status == 403
    assert phone.reached == []


def test_one_contact_too_many_takes_the_place_of_the_least_preferred(phone: Phone) -> None:
    phone.registers("<sip:first@b>;expires=100")
    phone.registers(*(f"<sip:{number}@b>;expires=200" for number in range(9)))
    assert phone.registers("<sip:new@b>;expires=60").status == 200
    assert len(phone.reached) == 10
    assert "sip:new@b" in phone.reached
    assert "sip:first@b" not in phone.reached


@pytest.mark.parametrize(("flows", "reached"), [
    (("", ""), ["sip:a@192.0.2.2:4002"]),
    ((";reg-id=1", ";reg-id=1"), ["sip:a@192.0.2.2:4002"]),
    ((";reg-id=1", ";reg-id=2"), ["sip:a@192.0.2.2:4002", "sip:a@192.0.2.1:4001"]),
])
def test_the_same_instance_at_another_address_is_the_same_phone(
    phone: Phone, flows: tuple[str, str], reached: list[str]
) -> None:
    instance = ';+sip.instance="<urn:uuid:00000000-0000-1000-8000-AABBCCDDEEFF>"'
    phone.registers(f"<sip:a@192.0.2.1:4001>{instance}{flows[0]}")
    phone.now += 1
    reply = phone.registers(f"<sip:a@192.0.2.2:4002>{instance}{flows[1]}", call_id="after-its-reboot")
    assert phone.reached == reached
    assert all(f"{instance}{flow}" in text for flow, (_, text) in zip(reversed(flows), reply.headers, strict=False))


def test_a_reg_id_without_an_instance_says_nothing(phone: Phone) -> None:
    phone.registers("<sip:a@b>;reg-id=1", "<sip:c@d>;reg-id=1")
    assert {item.reg_id for item in phone.registrar.contacts("1001", phone.now)} == {0}


def test_the_way_through_proxies_is_kept_and_told(phone: Phone) -> None:
    reply = phone.registers("<sip:a@b>", Path="<sip:edge.example;lr;ob>, <sip:192.0.2.9;lr>", Supported="path")
    assert reply.headers[1:] == (("Path", "<sip:edge.example;lr;ob>"), ("Path", "<sip:192.0.2.9;lr>"))
    (binding,) = phone.registrar.contacts("1001", phone.now)
    assert binding.path == ("<sip:edge.example;lr;ob>", "<sip:192.0.2.9;lr>")


@pytest.mark.parametrize(("path", "call_id"), [("nowhere", ""), (f"<sip:{'p' * 1100};lr>", ""), ("", "\x01bell")])
def test_what_could_not_be_kept_is_a_bad_request(phone: Phone, path: str, call_id: str) -> None:
    assert phone.registers("<sip:a@b>", call_id=call_id, Path=path or "<sip:edge;lr>").status == 400
    assert phone.registers(f"<sip:{'a' * 600}@b>").status == 400
    assert phone.registers("<sip:a@b;x=\x07>").status == 400
    assert phone.reached == []


def test_refreshes_all_day_long_leave_one_moment_to_wake_up_for(phone: Phone) -> None:
    for _ in range(50):
        phone.registers("<sip:a@b>;expires=100")
        phone.now += 50
        assert phone.registrar.expire(phone.now) == []
    assert phone.reached == ["sip:a@b"]
    assert len(phone.registrar._bindings._due) == 1
    phone.now += 51
    assert phone.registrar.expire(phone.now) == ["1001"]


@pytest.mark.parametrize(("account", "offered"), [
    (Account("1001", "m" * 32, ""), ["MD5"]), (Account("1001", "", "s" * 64), ["SHA-256"]),
    (Account("1001", "m" * 32, "s" * 64), ["SHA-256", "MD5"]), (None, ["SHA-256", "MD5"]),
])
def test_a_phone_is_offered_what_it_has_a_password_for(account: Account | None, offered: list[str]) -> None:
    registrar = Registrar("hotline", b"k" * 32, lambda user: account)
    request = parse(a_request("REGISTER", To="<sip:1001@hotline>", Allow="INVITE, " * 30))
    assert isinstance(request, Request)
    reply = registrar.handle(request, FLOW, 1.0)
    assert [Challenge.parse(text).param("algorithm") for _, text in reply.headers] == offered
    assert (reply.verdict is Verdict.UNKNOWN) == (account is None)


def test_a_small_request_is_challenged_with_what_every_phone_knows(phone: Phone) -> None:
    small = parse(a_request("REGISTER", To="<sip:1001@hotline>", drop="Max-Forwards"))
    assert isinstance(small, Request)
    reply = phone.registrar.handle(small, FLOW, phone.now)
    assert [Challenge.parse(text).param("algorithm") for _, text in reply.headers] == ["MD5"]


def test_bindings_expire(phone: Phone) -> None:
    phone.registers("<sip:a@b>;expires=100", "<sip:c@d>;expires=200")
    assert phone.registrar.deadline() == 1100.0
    assert phone.registrar.expire(1099.0) == []
    assert phone.registrar.expire(1100.0) == ["1001"]
    assert phone.registrar.deadline() == 1200.0
    phone.now = 1200.0
    assert phone.reached == []  # also before anybody calls expire
    assert phone.registrar.expire(1200.0) == ["1001"]
    assert phone.registrar.deadline() is None


def test_bindings_that_were_kept_are_loaded(phone: Phone) -> None:
    binding = Binding("1002", Uri.parse("sip:a@b"), FLOW, 1100.0, "kept", 7)
    phone.registrar.load([binding])
    assert phone.registrar.contacts("1002", 1000.0) == [binding]
    assert phone.registrar.deadline() == 1100.0


# -- the client -------------------------------------------------------------------------------------------------------


class Carrier:
    """A registrar behind an endpoint, and us who register there."""

    def __init__(self) -> None:
        self.net = Network()
        self.us, self.carrier = self.net.add("us"), self.net.add("carrier")
        self.registrar = Registrar("hotline", b"k" * 32, ACCOUNTS.get, shortest=300)
        self.registration = self._registration("pw", 120)

    def _registration(self, password: str, expires: int) -> Registration:
        return Registration(
            self.us.endpoint, Uri.parse("sip:hotline"), self.carrier.address, NameAddr.parse("<sip:1001@hotline>"),
            ClientCredentials("1001", password), expires=expires,
        )

    def run(self) -> None:
        for _ in range(8):
            self.net.run(0.1)
            _take(self.carrier, self.answer)
            _take(self.us, self.hear)

    def hear(self, event: SipEvent) -> None:
        assert isinstance(event, Responded)
        assert self.registration.handle(event, self.net.now)

    def answer(self, event: SipEvent) -> None:
        assert isinstance(event, Requested)
        reply = self.registrar.handle(event.request, event.source, self.net.now)
        self.carrier.endpoint.respond(event.transaction, reply.status, self.net.now, headers=reply.headers)


def _take(party: Party, handle: Callable[[SipEvent], None]) -> None:
    events, party.told = party.told, []
    for event in events:
        handle(event)


def test_we_register_raise_the_time_as_told_refresh_and_unregister() -> None:
    carrier = Carrier()
    carrier.registration.start(carrier.net.now)
    carrier.run()
    assert carrier.registration.registered
    (binding,) = carrier.registrar.contacts("1001", carrier.net.now)
    assert str(binding.contact) == "sip:1001@127.0.0.1:5060"
    assert binding.expires - carrier.net.now > 290
    due = carrier.registration.deadline()
    assert due is not None
    assert 200 < due - carrier.net.now < 300
    carrier.net.now = due
    carrier.registration.tick(due)
    carrier.run()
    assert carrier.registrar.contacts("1001", carrier.net.now)[0].expires > due + 290
    carrier.registration.stop(carrier.net.now)
    carrier.run()
    assert (carrier.registration.registered, carrier.registration.deadline()) == (False, None)
    assert carrier.registrar.contacts("1001", carrier.net.now) == []


def test_a_failed_registration_is_tried_again_ever_more_patiently() -> None:
    carrier = Carrier()
    carrier.registration = carrier._registration("wrong", 600)
    carrier.registration.start(carrier.net.now)
    waits = []
    for _ in range(8):
        carrier.run()
        due = carrier.registration.deadline()
        assert due is not None
        assert not carrier.registration.registered
        waits.append((due - carrier.net.now) / 30)
        carrier.net.run(due - carrier.net.now)
        carrier.registration.tick(carrier.net.now)
    # The half and the whole of it, by chance (RFC 5626 section 4.5): not all clients of a registrar come back at once.
    full = [1, 2, 4, 8, 16, 32, 60, 60]
    assert all(0.45 * longest <= wait <= longest for wait, longest in zip(waits, full, strict=True)), waits


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("120", 120.0), ("18 (at lunch);duration=60", 18.0), ("999999", 3600.0), ("soon", 0.0), ("", 0.0), ("-5", 0.0)],
)
def test_how_long_the_far_side_asks_to_be_left_alone(text: str, seconds: float) -> None:
    assert retry_after(Response(503, "Service Unavailable", [("Retry-After", text)])) == seconds
