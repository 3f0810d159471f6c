"""The floor of the call centre where the journeys take place: queues of fixed phones, and the numbers that lead there.

A test that makes a phone busy, deaf or dead has a queue of its own, so that no other test meets that phone.
"""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.partners.hotline import Layout
from tests.partners.process import port_is_free
from tests.partners.speech import transcripts

IP = "127.0.0.5"
"""Where the fixed phones are."""

DESKS = {
    "busy": 2, "declined": 2, "silent": 2, "torn": 2, "line": 1, "unplugged": 2, "relay": 1, "identity": 1,
}
"""Queue → how many fixed phones it has."""

QUEUE_FLOW = """\
start: route
steps:
  route:
    queue: {queue}
    max_wait: 60
    overflow: end
  end:
    hang_up:
"""

DIAL_FLOW = """\
start: dial
steps:
  dial:
    dial: "sip:direct@{ip}:{port}"
    answer_within: 10
    failed: end
  end:
    hang_up:
"""

SONG, TEMPERATURE = "aishell/BAC009S0150W0066", "aishell/BAC009S0150W0004"
"""Recordings of people whose transcripts are example phrases of ``HELP_FLOW``."""

OUTSIDE_FLOW = """\
start: dial
steps:
  dial:
    dial: "02155501234"
    answer_within: 10
    failed: end
  end:
    hang_up:
"""

TRUNKS = """\
[[trunks]]
name = "near"
outbound = "{ip}:{near}"
probe = {{ every = 0 }}
[[trunks]]
name = "far"
outbound = "{ip}:{far}"
probe = {{ every = 0 }}
priority = 2
called_out = [{{ prefix = "+86", add = "0" }}]
[outside]
prefixes = {{ "+86" = {{ per_minute = 0.6 }} }}
dialled = [{{ prefix = "0", add = "+86" }}]
"""
"""Two carriers, of which the second writes numbers as they are dialled at home."""

HELP_FLOW = """\
start: what
intents:
  song: [{song}]
  temperature: [{temperature}]
  refund: [我要退款]
  order: [查一下我的订单]
steps:
  what:
    ask: 请问有什么可以帮您？
    again: [您还在吗？如果没有别的事，可以直接挂机。]
    intents: {{song: bye, temperature: bye, refund: bye, order: order}}
    menu: keys
  order:
    serve: latest_order
    say: 您最近一笔订单，现在{{status}}。
    found: more
    not_found: bye
    failed: bye
  more:
    ask: 请问还有什么可以帮您？
    again: [您还在吗？如果没有别的事，可以直接挂机。]
    intents: {{order: order}}
    menu: keys
  keys:
    menu: 继续办理请按1，人工服务请按0。
    keys: {{0: agent, 1: order}}
    again: [继续办理请按1，人工服务请按0。]
    otherwise: agent
  agent:
    queue: identity
    max_wait: 60
    overflow: bye
  bye:
    hang_up: 感谢您的来电，再见。
"""
"""Questions, an order and a menu, of which every word is recorded: it is heard also where nothing can be rendered."""


@dataclass(frozen=True, slots=True)
class Desk:
    """A queue of fixed phones: dial ``number``, and the phone at ``IP`` and the first of ``ports`` rings."""

    number: str
    ports: tuple[int, ...]

    def contact(self, phone: int = 0) -> str:
        """The SIP address of one of the phones, which is also its agent's name in events."""
        return f"sip:desk@{IP}:{self.ports[phone]}"


@dataclass(frozen=True, slots=True)
class Floor:
    """Every queue, and the numbers of the flows that have none."""

    desks: Mapping[str, Desk]
    direct: Desk
    """Leads to a flow that dials a SIP address."""
    help: str
    """Leads to ``HELP_FLOW``."""
    experts: str
    """Leads to a queue that only agent 1001 is good enough for."""
    complaints: str
    """Leads to the queue that only agent 1003 serves."""
    service: str
    """Leads to the queue of agents 1001 and 1002."""
    outside: Desk
    """Leads to a flow that dials an outside number; the two carriers listen on its ports."""


def new_floor() -> Floor:
    """With ports that are free at the moment."""
    desks = {name: Desk(f"70{row:02}", _ports(count))
             for row, (name, count) in enumerate(DESKS.items())}
    return Floor(desks, Desk("7100", _ports(1)), "7101", "7102", "7103", "7104", Desk("7105", _ports(2)))


def layout(folder: Path, floor: Floor) -> Layout:
    """The settings of a server with this floor, in which a phone that is gone is soon found out. It has two media
    threads, so that most bridges bring together legs of both."""
    flows = {desk.number: QUEUE_FLOW.format(queue=name) for name, desk in floor.desks.items()}
    flows |= {floor.experts: QUEUE_FLOW.format(queue="experts"), floor.service: QUEUE_FLOW.format(queue="service"),
              floor.complaints: QUEUE_FLOW.format(queue="complaints"),
              floor.direct.number: DIAL_FLOW.format(ip=IP, port=floor.direct.ports[0]),
              floor.help: HELP_FLOW.format(song=transcripts().get(SONG, "想听歌曲海阔天空"),
                                           temperature=transcripts().get(TEMPERATURE, "设定三十二度"))}
    flows[floor.outside.number] = OUTSIDE_FLOW
    near, far = floor.outside.ports
    trunks = TRUNKS.format(ip=IP, near=near, far=far)
    queues = "\n".join(_queue(name, desk) for name, desk in floor.desks.items())
    experts = '[queues.experts]\nskills = ["service"]\nmin_proficiency = 4\nwrap_up_seconds = 0\n'
    extra = queues + experts + trunks
    media = "silence_after = 1.5\nthreads = 2"
    return Layout(folder, sip="agent_silence = 2\nask_phones = 1", media=media, flows=flows, extra=extra)


def _queue(name: str, desk: Desk) -> str:
    phones = ", ".join(f'"{desk.contact(phone)}"' for phone in range(len(desk.ports)))
    return f"[queues.{name}]\nphones = [{phones}]\nring_seconds = 3\nwrap_up_seconds = 0\nannounce_every = 0\n"


def _ports(count: int) -> tuple[int, ...]:
    """Free ports in the order in which their phones ring: by the text of their contacts, all being idle equally long.

    Below the range from which the kernel takes ports for those who ask for any: nobody else gets them meanwhile.
    """
    ports: set[int] = set()
    while len(ports) < count:
        port = random.randrange(10_000, 20_000)
        if port_is_free(IP, port):
            ports.add(port)
    return tuple(sorted(ports))
