"""Plays a dialogue against a flow: no phone, no sound, no time; the matcher reads the caller's words by their sound."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from calls import Caller, Dial, Finished, ToQueue
from ivr.actions import (
    Action,
    Ask,
    Deaf,
    Done,
    Echo,
    Failed,
    Found,
    Music,
    NotFound,
    NotUnderstood,
    Pressed,
    Result,
    Say,
    Serve,
    Silence,
    Speechless,
    Understood,
)
from ivr.flow import Flow
from ivr.intents import IntentMatcher
from ivr.pinyin import syllables
from ivr.plan import Dialplan

ServiceResult = Found | NotFound | Failed
TROUBLE = frozenset({"recogniser is down", "voice is down"})
"""Lines that hold from the next question on; before all others, from the beginning of the call."""


class Mismatch(Exception):
    """The flow did something else than the dialogue says."""


class Rehearsal:
    """One dialogue's way through a plan. ``perform`` its lines in order."""

    def __init__(
        self, plan: Dialplan, matcher: IntentMatcher, caller: Caller, services: Mapping[str, ServiceResult]
    ) -> None:
        self._flow, self._matcher, self._services = Flow(plan, caller), matcher, services
        self._said = ""
        """What the hotline said since the caller's last turn and no line has named yet."""
        self._deeds: list[tuple[str, float]] = []
        self._understood = ""
        self._deaf = self._speechless = False
        self._action: Action | None = None

    def perform(self, what: str, words: str) -> None:
        """One line. Raises Mismatch when the flow does not go along."""
        if self._action is None and what not in TROUBLE:
            self._go_on(self._flow.start())
        _LINES[what](self, words)

    # the flow ---------------------------------------------------------------------------------------------------

    def _go_on(self, action: Action) -> None:
        """Do what needs no caller, until the flow asks something or has decided."""
        while True:
            self._action = action
            result = self._result(action)
            if isinstance(action, Say | Ask | Serve) and not self._speechless and not isinstance(result, Deaf):
                self._said += "".join(action.says)
            if result is None:
                return
            action = self._flow.feed(result)

    def _result(self, action: Action) -> Result | None:
        match action:
            case Ask(intents=intents):
                if intents and self._deaf:
                    return Deaf()
                return Speechless() if self._speechless else None
            case Serve(service=service):
                if service not in self._services:
                    raise Mismatch(f"the service {service} is asked, and 'services' does not say what it finds")
                return self._services[service]
            case Music(seconds=seconds):
                self._deeds.append(("music", seconds))
            case Echo(seconds=seconds):
                self._deeds.append(("echo", seconds))
            case ToQueue() | Dial() | Finished():
                return None
        return Done()

    def _answer(self, how: Callable[[Ask], Result], does: str) -> None:
        if not isinstance(self._action, Ask):
            raise Mismatch(f"the caller {does}, but the hotline {self._now()}")
        self._said, self._understood = "", ""
        self._deeds.clear()
        result = how(self._action)
        self._go_on(self._flow.feed(result))

    def _now(self) -> str:
        match self._action:
            case ToQueue(queue=queue):
                return f"goes to the queue {queue}"
            case Dial(target=target):
                return f"dials {target}"
            case Finished():
                return "has ended the call"
            case Ask(step=step, intents=intents):
                return f"asks at the step {step}" + ("" if intents else " for a key")
            case action:
                return f"is at {action}"

    # lines ------------------------------------------------------------------------------------------------------

    def _hotline_says(self, words: str) -> None:
        _, found, rest = self._said.partition(words)
        if not found:
            said = f"says '{self._said}'" if self._said else "says nothing more"
            raise Mismatch(f"expected '{words}', but the hotline {said} and {self._now()}{self._understood}")
        self._said = rest

    def _caller_says(self, words: str) -> None:
        def hear(ask: Ask) -> Result:
            if not ask.intents:
                raise Mismatch(f"the caller speaks, but the hotline {self._now()}")
            match = self._matcher.match(syllables(words), ask.intents)
            nearest = f"; nearest: {match.ranked[0].name}, {match.ranked[0].confidence}" if match.ranked else ""
            meant = f"understood as {match.intent.name}" if match.intent else "not understood"
            self._understood = f" ('{words}' was {meant}{nearest})"
            return Understood(match.intent) if match.intent else NotUnderstood()

        self._answer(hear, "speaks")

    def _caller_presses(self, key: str) -> None:
        self._answer(lambda ask: Pressed(key), f"presses {key}")

    def _caller_is_silent(self, words: str) -> None:
        self._answer(lambda ask: Silence(), "is silent")

    def _goes_to_queue(self, queue: str) -> None:
        if not isinstance(self._action, ToQueue) or self._action.queue != queue:
            raise Mismatch(f"expected the queue {queue}, but the hotline {self._now()}{self._understood}")

    def _dials(self, target: str) -> None:
        if not isinstance(self._action, Dial) or self._action.target != target:
            raise Mismatch(f"expected {target} to be dialled, but the hotline {self._now()}{self._understood}")

    def _nobody_answers(self, words: str) -> None:
        match self._action:
            case ToQueue(overflow=str(step)) | Dial(failed=str(step)):
                self._said = ""
                self._go_on(self._flow.at(step))
            case _:
                raise Mismatch(f"nobody is asked to answer; the hotline {self._now()}")

    def _ends(self, words: str) -> None:
        if not isinstance(self._action, Finished):
            raise Mismatch(f"expected the call to end, but the hotline {self._now()}{self._understood}")

    def _did(self, deed: str, seconds: str) -> None:
        if (deed, float(seconds)) not in self._deeds:
            raise Mismatch(f"expected {deed} for {seconds} s, but the hotline {self._now()}")

    def _recogniser_is_down(self, words: str) -> None:
        self._deaf = True

    def _voice_is_down(self, words: str) -> None:
        self._speechless = True


_LINES: Mapping[str, Callable[[Rehearsal, str], None]] = {
    "hotline says": Rehearsal._hotline_says,
    "caller says": Rehearsal._caller_says,
    "caller presses": Rehearsal._caller_presses,
    "caller is silent": Rehearsal._caller_is_silent,
    "goes to queue": Rehearsal._goes_to_queue,
    "dials": Rehearsal._dials,
    "nobody answers": Rehearsal._nobody_answers,
    "ends": Rehearsal._ends,
    "music for": lambda rehearsal, seconds: rehearsal._did("music", seconds),
    "echo for": lambda rehearsal, seconds: rehearsal._did("echo", seconds),
    "recogniser is down": Rehearsal._recogniser_is_down,
    "voice is down": Rehearsal._voice_is_down,
}
