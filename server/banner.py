"""What ``hotline run`` prints when it answers calls: what to dial, how to register a phone, where the data lies."""

from __future__ import annotations

from server.demo import AGENTS, SUPERVISORS, passwords
from server.settings import Settings
from server.wiring import Server
from telephony.sip.address import Address


def banner(settings: Settings, server: Server) -> str:
    """A few lines for a person."""
    number = next(iter(settings.numbers), "")
    listen = settings.sip.addresses
    where, ways = Address(server.address, listen[0].port), ", ".join(dict.fromkeys(at.transport for at in listen))
    lines = [
        f"Hotline answers calls on {where} (SIP over {ways}). {server.started_in:.1f} s to start; {server.speech}",
        f"  dial       sip:{number}@{where}, from {', '.join(a for t in settings.trunks for a in t.addresses)}",
        f"  data       {settings.data}",
        f"  wallboard  http://{settings.http.host}:{settings.http.port}/?token={server.token}",
    ]
    if server.psql:
        lines.append(f"  database   {server.psql}")
    if settings.demo:
        phones = passwords(settings.data)
        agents = ", ".join(f"{user} / {password}" for user, password in phones.items() if user in AGENTS)
        supervisors = ", ".join(f"{user} / {password}" for user, password in phones.items() if user in SUPERVISORS)
        customers = ", ".join(f"{user} / {password}" for user, password in phones.items() if user.startswith("2"))
        lines += [
            f"  agents     register a softphone at {where}, user / password: {agents}",
            f"  supervisor the telephone that the wallboard brings into calls: {supervisors}",
            f"  customers  a softphone that calls as a known customer: {customers}",
            "  no phone?  hotline try   (in a second terminal: a simulated customer and a simulated agent)",
        ]
    return "\n".join(lines)
