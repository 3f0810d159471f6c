"""Walks a dialplan without I/O: it says what is to be done next and is told how that went.

    flow = Flow(plan, caller)
    action = flow.start()
    action = flow.feed(Understood(intent))      # … until the action is an Outcome

What is said before a question belongs to the question (and may be interrupted with it); what is said before a
self-service is said while the service works.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from calls import Caller, Finished, ToQueue
from calls import Dial as DialOut
from ivr import plan
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
from ivr.plan import Dialplan, Step
from ivr.sentence import CALLER_VALUES, Sentence


class Flow:
    """One call's way through a plan. Not to be shared between calls."""

    def __init__(self, dialplan: Dialplan, caller: Caller) -> None:
        self.plan = dialplan
        self.intent = ""
        """The last intent that was understood, or that the pressed key stands for."""
        self.solved = False
        """Whether a self-service helped, and no agent was needed after it."""
        self.passed: list[str] = []
        """The steps that were entered, in order; whoever reads them may clear the list."""
        self._values = {name: getattr(caller, name.partition(".")[2]) for name in CALLER_VALUES}
        self._step: Step | None = None
        self._acting = False
        self._question: plan.Ask | plan.Menu | None = None
        self._tries = 0
        self._to_say: list[str] = []
        self._said: list[str] = []
        """What was said since the caller's last answer, without the question: what ``repeat`` repeats."""

    def start(self) -> Action:
        """The first action of a call."""
        return self.at(self.plan.start)

    def at(self, step: str) -> Action:
        """Go on at a step: after an agent did not come, or a dialled number did not answer."""
        self._said.clear()
        return self._enter(step)

    def feed(self, result: Result) -> Action:
        """How the last action went → the next one. Raises TypeError for a result that the action cannot have."""
        step = self._step
        follow = FOLLOWS.get((type(step), type(result)))
        if follow is None:
            raise TypeError(f"{type(result).__name__} does not answer {step}")
        return follow(self, step, result)

    # entering a step --------------------------------------------------------------------------------------------

    def _enter(self, name: str) -> Action:
        while True:
            step = self.plan.steps[name]
            self._step, self._acting = step, False
            self.passed.append(name)
            match step:
                case plan.Greet():
                    self._queue(step.greet if step.greet.complete(self._values) else step.general)
                    name = step.then
                case plan.Say():
                    self._queue(step.say)
                    name = step.then
                case plan.Repeat():
                    assert self._question is not None  # only an answer leads here, the loader saw to it
                    self._to_say, self._said = self._said, []
                    name = self._question.name
                case plan.Ask() | plan.Menu():
                    self._question, self._tries = step, 0
                    return self._ask(step.ask if isinstance(step, plan.Ask) else step.menu)
                case plan.Serve():
                    return Serve(name, self._take(), step.serve)
                case _:
                    self._queue(step.hang_up if isinstance(step, plan.HangUp) else getattr(step, "say", None))
                    says = self._take()
                    return Say(name, says) if says else self._act()

    def _queue(self, sentence: Sentence | None, values: Mapping[str, str] | None = None) -> None:
        text = sentence.fill({**self._values, **(values or {})}) if sentence else ""
        if text:
            self._to_say.append(text)

    def _take(self) -> tuple[str, ...]:
        says, self._to_say = tuple(self._to_say), []
        self._said += says
        return says

    def _ask(self, sentence: Sentence) -> Ask:
        step = self._question
        assert step is not None  # set by whoever calls
        says = self._take() + ((sentence.fill(self._values),) if sentence.complete(self._values) else ())
        intents = tuple(self.plan.intents_at(step)) if isinstance(step, plan.Ask) else ()
        return Ask(step.name, says, tuple(self.plan.keys_at(step)), intents)

    def _act(self) -> Action:
        """What a step does once its words have been said."""
        self._acting = True
        match self._step:
            case plan.Queue(name=name, queue=queue, max_wait=max_wait, overflow=overflow):
                self.solved = False
                return ToQueue(name, queue, self.intent, max_wait, overflow)
            case plan.Dial(name=name, dial=target, answer_within=seconds, failed=failed):
                return DialOut(name, target, seconds, failed)
            case plan.Echo(name=name, echo=seconds):
                return Echo(name, seconds)
            case plan.Music(name=name, music=seconds):
                return Music(name, seconds)
            case plan.HangUp(name=name):
                return Finished(name, self.solved)
            case step:
                raise TypeError(f"nothing was said before {step}")

    # what follows -----------------------------------------------------------------------------------------------

    def _done(self, step: Step, result: Done) -> Action:
        """Words come before deeds, so the first ``Done`` ends the words of a step and the second the deed."""
        if not self._acting:
            return self._act()
        assert isinstance(step, plan.Echo | plan.Music)  # the other steps act by an Outcome, which has no result
        return self._enter(step.then)

    def _understood(self, step: plan.Ask, result: Understood) -> Action:
        target = self.plan.intents_at(step).get(result.intent.name)
        if target is None:
            raise TypeError(f"the step '{step.name}' does not listen for the intent '{result.intent.name}'")
        return self._answered(target, result.intent.name)

    def _pressed(self, step: plan.Ask | plan.Menu, result: Pressed) -> Action:
        target = self.plan.keys_at(step).get(result.key)
        if target is None:
            return self._again(step, result)
        return self._answered(target, self.plan.intent_of(target))

    def _answered(self, target: str, intent: str) -> Action:
        if not isinstance(self.plan.steps[target], plan.Repeat):
            self._said.clear()
            self.intent = intent
        return self._enter(target)

    def _again(self, step: plan.Ask | plan.Menu, result: Result) -> Action:
        if self._tries == len(step.again):
            return self._give_up(step, result)
        self._tries += 1
        return self._ask(step.again[self._tries - 1])

    def _give_up(self, step: plan.Ask | plan.Menu, result: Result) -> Action:
        return self._enter(step.menu if isinstance(step, plan.Ask) else step.otherwise)

    def _deaf(self, step: plan.Ask, result: Deaf) -> Action:
        if self._tries == 0:  # nothing was said yet, so the menu comes after what was to be said before the question
            self._to_say, self._said = self._said, []
        return self._enter(step.menu)

    def _found(self, step: plan.Serve, result: Found) -> Action:
        self.solved = True
        self._queue(step.say, result.values)
        return self._enter(step.found)

    def _not_found(self, step: plan.Serve, result: NotFound) -> Action:
        return self._enter(step.not_found)

    def _failed(self, step: plan.Serve, result: Failed) -> Action:
        return self._enter(step.failed)


FOLLOWS: Mapping[tuple[type[Any], type[Any]], Callable[[Flow, Any, Any], Action]] = {
    (plan.Ask, Understood): Flow._understood,
    (plan.Ask, Pressed): Flow._pressed,
    (plan.Ask, NotUnderstood): Flow._again,
    (plan.Ask, Silence): Flow._again,
    (plan.Ask, Deaf): Flow._deaf,
    (plan.Ask, Speechless): Flow._give_up,
    (plan.Menu, Pressed): Flow._pressed,
    (plan.Menu, Silence): Flow._again,
    (plan.Menu, Speechless): Flow._give_up,
    (plan.Serve, Found): Flow._found,
    (plan.Serve, NotFound): Flow._not_found,
    (plan.Serve, Failed): Flow._failed,
    (plan.Queue, Done): Flow._done,
    (plan.Dial, Done): Flow._done,
    (plan.HangUp, Done): Flow._done,
    (plan.Echo, Done): Flow._done,
    (plan.Music, Done): Flow._done,
}
"""What follows what: (the step we are at, how its action went) → what the flow does."""
