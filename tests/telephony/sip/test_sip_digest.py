"""Digest authentication from both sides: right, wrong, stale, replayed, strongest first."""

from __future__ import annotations

import pytest

from telephony.sip.auth import Algorithm, ClientCredentials, answer_challenges, digest, ha1, is_stale
from telephony.sip.build import response_to
from telephony.sip.digest import Account, Checked, DigestServer, Verdict
from telephony.sip.events import Answered, Failed, Invited, Requested, Responded
from telephony.sip.headers import Challenge, Credentials, NameAddr
from telephony.sip.message import Request, Response, parse
from telephony.sip.uri import Uri
from tests.telephony.sip.network import ANSWER, Pair, a_request

REALM, SECRET = "hotline", b"s" * 32
ANNA = Account("1001", ha1(Algorithm.MD5, "1001", REALM, "sesame"), ha1(Algorithm.SHA256, "1001", REALM, "sesame"))
RIGHT, WRONG = ClientCredentials("1001", "sesame"), ClientCredentials("1001", "open")


def _server(lifetime: float = 300.0, algorithms: tuple[Algorithm, ...] = tuple(Algorithm)) -> DigestServer:
    return DigestServer(
        REALM, SECRET, lambda user: ANNA if user == "1001" else None, lifetime=lifetime, algorithms=algorithms
    )


def _register(answers: list[tuple[str, str]] | None = None) -> Request:
    request = parse(a_request("REGISTER", **dict(answers or [])))
    assert isinstance(request, Request)
    return request


def _challenged(server: DigestServer, now: float = 0.0) -> Response:
    return response_to(_register(), 401, headers=server.challenge(now))


def _answered(server: DigestServer, credentials: ClientCredentials, now: float = 0.0) -> Request:
    return _register(answer_challenges(_register(), _challenged(server, now), credentials, "cn"))


def test_the_example_of_rfc_2617() -> None:
    secret = ha1(Algorithm.MD5, "Mufasa", "testrealm@host.com", "Circle Of Life")
    nonce = "dcd98b7102dd2f0e8b11d0f600bfb0c093"
    answer = digest(Algorithm.MD5, secret, "GET", "/dir/index.html", nonce, "00000001:0a4f113b:auth")
    assert answer == "6629fae49393a05397450978507c4ef1"


def test_the_example_of_rfc_7616() -> None:
    secret = ha1(Algorithm.SHA256, "Mufasa", "http-auth@example.org", "Circle of Life")
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    more = "00000001:f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ:auth"
    answer = digest(Algorithm.SHA256, secret, "GET", "/dir/index.html", nonce, more)
    assert answer == "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"


def test_both_algorithms_are_offered_the_strongest_first() -> None:
    offered = [Challenge.parse(text) for _, text in _server().challenge(0.0)]
    assert [challenge.param("algorithm") for challenge in offered] == ["SHA-256", "MD5"]
    assert {challenge.param("qop") for challenge in offered} == {"auth"}


@pytest.mark.parametrize(("user_agent", "offered"), [
    ("baresip v1.0.0 (x86_64/linux)", ["MD5"]), ("baresip v3.1.0 (x86_64/linux)", ["SHA-256", "MD5"]),
    ("", ["SHA-256", "MD5"]),
])
def test_a_phone_that_fails_on_what_it_does_not_know_is_offered_md5_alone(user_agent: str, offered: list[str]) -> None:
    lines = _server().challenge(0.0, user_agent=user_agent)
    assert [Challenge.parse(text).param("algorithm") for _, text in lines] == offered


@pytest.mark.parametrize("algorithms", [tuple(Algorithm), (Algorithm.MD5,), (Algorithm.SHA256,)])
def test_the_client_takes_the_strongest(algorithms: tuple[Algorithm, ...]) -> None:
    server = _server(algorithms=algorithms)
    request = _answered(server, RIGHT)
    assert Credentials.parse(request.get("Authorization")).param("algorithm") == algorithms[0].value
    assert server.check(request, 1.0) == Checked(Verdict.GRANTED, ANNA)


def test_the_client_passes_over_what_it_does_not_know() -> None:
    lines = [
        ("WWW-Authenticate", 'Digest realm="r", nonce="n", algorithm=SHA-512-256'),
        ("WWW-Authenticate", "Basic realm=r"),
        ("WWW-Authenticate", "Digest realm="), ("WWW-Authenticate", 'Digest realm="r", nonce="n"'),
    ]
    answers = answer_challenges(_register(), response_to(_register(), 401, headers=lines), RIGHT, "cn")
    assert [Credentials.parse(text).param("algorithm") for _, text in answers] == ["MD5"]
    assert "qop" not in answers[0][1]  # none was offered: the form of RFC 2069


@pytest.mark.parametrize(
    ("credentials", "verdict"),
    [
        (RIGHT, Verdict.GRANTED),
        (WRONG, Verdict.DENIED),
        (ClientCredentials("nobody", "sesame"), Verdict.UNKNOWN),
    ],
)
def test_right_and_wrong(credentials: ClientCredentials, verdict: Verdict) -> None:
    server = _server()
    assert server.check(_answered(server, credentials), 1.0).verdict is verdict


def test_no_credentials_or_those_for_another_realm_or_unreadable_ones_are_missing() -> None:
    server = _server()
    assert server.check(_register(), 0.0).verdict is Verdict.MISSING
    for text in ('Digest realm="elsewhere", nonce="n"', "Digest ,,=", "Basic abc=", "?"):
        assert server.check(_register([("Authorization", text)]), 0.0).verdict is Verdict.MISSING


def test_a_nonce_expires_and_only_then_the_request_is_stale() -> None:
    server = _server(lifetime=60.0)
    request = _answered(server, RIGHT, now=100.0)
    assert server.check(request, 160.0).verdict is Verdict.STALE
    assert server.check(_answered(server, WRONG, now=100.0), 160.0).verdict is Verdict.DENIED
    assert server.check(request, 159.9).verdict is Verdict.GRANTED


def test_a_replayed_request_is_refused() -> None:
    server = _server()
    request = _answered(server, RIGHT)
    assert server.check(request, 1.0).verdict is Verdict.GRANTED
    assert server.check(request, 1.0).verdict is Verdict.STALE
    challenge = response_to(request, 401, headers=server.challenge(1.0, stale=True))
    assert is_stale(challenge)


def test_a_nonce_serves_with_rising_counts() -> None:
    server = _server()
    request = _answered(server, RIGHT)
    nonce = Credentials.parse(request.get("Authorization")).param("nonce")
    verdicts = []
    for count in ("00000001", "0000000a", "0000000a", "00000002", "0000000b", "c"):
        response = digest(Algorithm.MD5, ANNA.ha1_md5, "REGISTER", "sip:x", nonce, f"{count}:cn:auth")
        text = (f'Digest username="1001", realm="{REALM}", nonce="{nonce}", uri="sip:x", response="{response}", '
                f'algorithm=MD5, qop=auth, nc={count}, cnonce="cn"')
        verdicts.append(server.check(_register([("Authorization", text)]), 1.0).verdict is Verdict.GRANTED)
    assert verdicts == [True, True, False, False, True, False]


def test_a_nonce_that_we_did_not_make_is_stale() -> None:
    ours, other = _server(), DigestServer(REALM, b"o" * 32, lambda user: ANNA)
    assert ours.check(_answered(other, RIGHT), 1.0).verdict is Verdict.STALE
    for nonce in ("", "AAAA", "not base64!", "é" * 20):
        response = digest(Algorithm.MD5, ANNA.ha1_md5, "REGISTER", "sip:x", nonce)
        text = f'Digest username="1001", realm="{REALM}", nonce="{nonce}", uri="sip:x", response="{response}"'
        assert ours.check(_register([("Authorization", text)]), 1.0).verdict is Verdict.STALE


def test_a_client_of_rfc_2069_may_use_a_nonce_once() -> None:
    server = _server()
    nonce = Challenge.parse(server.challenge(0.0)[0][1]).param("nonce")
    response = digest(Algorithm.MD5, ANNA.ha1_md5, "REGISTER", "sip:x", nonce)
    text = f'Digest username="1001", realm="{REALM}", nonce="{nonce}", uri="sip:x", response="{response}"'
    request = _register([("Authorization", text)])
    assert [server.check(request, 1.0).verdict for _ in range(2)] == [Verdict.GRANTED, Verdict.STALE]


def test_what_is_remembered_of_nonces_is_forgotten_when_they_expire() -> None:
    server = _server(lifetime=60.0)
    for second in range(10):
        server.check(_answered(server, RIGHT, now=second), second + 0.5)
    assert len(server._counts) == 10
    server.check(_register(), 100.0)
    assert (len(server._counts), len(server._used)) == (0, 0)


def test_secrets_do_not_show() -> None:
    assert "sesame" not in repr(RIGHT)
    assert ANNA.ha1_md5 not in repr(ANNA)


# -- a challenged call ------------------------------------------------------------------------------------------------


def _challenge(pair: Pair, server: DigestServer, status: int = 401, *, stale: bool = False) -> None:
    headers = server.challenge(pair.net.now, stale=stale, proxy=status == 407)
    pair.bob.endpoint.reject(pair.bob.invited, status, pair.net.now, headers=headers)
    pair.net.run()


@pytest.mark.parametrize("status", [401, 407])
def test_an_invite_is_challenged_and_sent_again_with_credentials(pair: Pair, status: int) -> None:
    server = _server()
    call = pair.dial(credentials=RIGHT)
    pair.net.run()
    _challenge(pair, server, status)
    invite = pair.bob.last(Invited).request
    assert invite.cseq.number == 2
    assert server.check(invite, pair.net.now, proxy=status == 407).verdict is Verdict.GRANTED
    pair.bob.endpoint.answer(pair.bob.invited, ANSWER, pair.net.now)
    pair.net.run()
    assert pair.alice.last(Answered).call == call
    ack = parse(next(sent.data for sent in reversed(pair.net.wire) if sent.says == "ACK"))
    assert ack.lines("Authorization") + ack.lines("Proxy-Authorization")  # section 22.1
    pair.alice.endpoint.bye(call, pair.net.now)
    pair.net.run()
    assert parse(pair.net.wire[-2].data).cseq.number == 3
    pair.assert_nothing_left()


def test_a_second_refusal_is_final_unless_the_nonce_was_stale(pair: Pair) -> None:
    server = _server()
    pair.dial(credentials=WRONG)
    pair.net.run()
    _challenge(pair, server)
    _challenge(pair, server)
    assert pair.alice.last(Failed).status == 401
    assert pair.bob.count(Invited) == 2
    pair.assert_nothing_left()


def test_a_stale_nonce_is_tried_once_more_and_only_once(pair: Pair) -> None:
    server = _server()
    pair.dial(credentials=RIGHT)
    pair.net.run()
    _challenge(pair, server)
    _challenge(pair, server, stale=True)
    assert pair.bob.count(Invited) == 3
    _challenge(pair, server, stale=True)
    assert (pair.bob.count(Invited), pair.alice.count(Failed)) == (3, 1)
    pair.assert_nothing_left()


def test_without_credentials_a_challenge_is_a_failure(pair: Pair) -> None:
    pair.dial()
    pair.net.run()
    _challenge(pair, _server())
    assert (pair.alice.last(Failed).status, pair.bob.count(Invited)) == (401, 1)
    pair.assert_nothing_left()


def test_a_cancelled_call_does_not_answer_challenges(pair: Pair) -> None:
    pair.dial(credentials=RIGHT)
    pair.net.run()
    pair.net.delay("CANCEL", 0.1)
    pair.alice.endpoint.cancel(pair.call, pair.net.now)
    _challenge(pair, _server())
    assert (pair.alice.last(Failed).status, pair.bob.count(Invited)) == (401, 1)
    pair.assert_nothing_left()


def test_a_challenged_request_keeps_its_name(pair: Pair) -> None:
    server = _server()
    address = NameAddr.parse("<sip:1001@hotline>")
    key = pair.alice.endpoint.send_request(
        "REGISTER", Uri.parse("sip:hotline"), pair.bob.address, from_=address, to=address, credentials=RIGHT,
        now=pair.net.now,
    )
    pair.net.run()
    pair.bob.endpoint.respond(
        pair.bob.last(Requested).transaction, 401, pair.net.now, headers=server.challenge(pair.net.now)
    )
    pair.net.run()
    asked = pair.bob.last(Requested)
    assert server.check(asked.request, pair.net.now).verdict is Verdict.GRANTED
    pair.bob.endpoint.respond(asked.transaction, 200, pair.net.now)
    pair.net.run()
    assert [event.transaction for event in pair.alice.told if isinstance(event, Responded)] == [key]
    pair.assert_nothing_left()


def test_a_challenged_bye_is_sent_again_with_credentials(pair: Pair) -> None:
    pair.dial(credentials=RIGHT)
    pair.net.run()
    pair.bob.endpoint.answer(pair.bob.invited, ANSWER, pair.net.now)
    pair.net.run()
    pair.alice.endpoint.bye(pair.call, pair.net.now)
    bye = parse(pair.alice.endpoint.outgoing()[0][0])
    assert isinstance(bye, Request)
    challenge = response_to(bye, 401, headers=_server().challenge(pair.net.now))
    pair.alice.endpoint.receive(bytes(challenge), pair.bob.address, pair.net.now)
    again = parse(pair.alice.endpoint.outgoing()[0][0])
    assert again.lines("Authorization")
    assert again.cseq.number == bye.cseq.number + 1
    pair.alice.endpoint.receive(bytes(response_to(parse_request(again), 200)), pair.bob.address, pair.net.now)
    assert pair.alice.endpoint.live()["dialogs"] == 0


def parse_request(message: Request | Response) -> Request:
    assert isinstance(message, Request)
    return message
