"""What must hold of a dialplan as a whole: it names what exists, uses what it names, and always comes to an end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ivr.intents import IntentMatcher
from ivr.nodes import Problems, meant
from ivr.pinyin import confusable, content, syllables
from ivr.plan import Ask, Menu, Repeat, Step
from ivr.sentence import Sentence

EVERYWHERE = "everywhere"
"""Stands as the origin of edges that every question has."""


@dataclass(frozen=True, slots=True)
class Edge:
    """A way from one step to another, named on ``line``; ``unasked`` when the caller need do nothing to go it."""

    origin: str
    target: str
    line: int
    unasked: bool
    to_menu: bool = False


def prove(steps: Mapping[str, Step], edges: Sequence[Edge], problems: Problems) -> None:
    """Note every step that is named and does not exist, cannot be reached, or goes round without the caller."""
    whole = not problems.found
    for edge in edges:
        if edge.target not in steps:
            whole = False
            problems.add(edge.line, f"there is no step '{edge.target}'", meant(edge.target, steps))
        elif edge.to_menu and not isinstance(steps[edge.target], Menu):
            problems.add(edge.line, f"the step '{edge.target}' is no menu", "name a step that begins with 'menu'")
        elif edge.unasked and isinstance(steps[edge.target], Repeat):
            problems.add(edge.line, f"'{edge.target}' repeats a question, so only an answer can lead to it")
    if whole:  # with a step or a way missing, everything behind it would be blamed for it
        _reach(steps, edges, problems)
    _come_to_an_end(steps, edges, problems)


def _reach(steps: Mapping[str, Step], edges: Sequence[Edge], problems: Problems) -> None:
    reached: set[str] = set()
    frontier = [edge.target for edge in edges if edge.origin == ""]
    while frontier:
        name = frontier.pop()
        if name in reached or name not in steps:
            continue
        reached.add(name)
        origins = (name, EVERYWHERE) if isinstance(steps[name], Ask | Menu) else (name,)
        frontier += [edge.target for edge in edges if edge.origin in origins]
    for step in steps.values():
        if step.name not in reached:
            problems.add(step.line, f"nothing leads to the step '{step.name}'", "name it somewhere, or remove it")


def _come_to_an_end(steps: Mapping[str, Step], edges: Sequence[Edge], problems: Problems) -> None:
    """A caller who says and presses nothing must not go round for ever: those ways must not form a ring."""
    after: dict[str, list[str]] = {name: [] for name in steps}
    for edge in edges:
        if edge.unasked and edge.origin in after and edge.target in after:
            after[edge.origin].append(edge.target)
    done: set[str] = set()

    def walk(name: str, path: list[str]) -> None:
        if name in path:
            ring = [*path[path.index(name) :], name]
            problems.add(
                steps[name].line,
                f"a caller who says nothing goes round for ever: {' → '.join(ring)}",
                "let one of these steps lead to a queue or hang_up",
            )
        elif name not in done:
            for following in after[name]:
                walk(following, [*path, name])
            done.add(name)

    for name in steps:
        walk(name, [])


def tell_apart(intents: Mapping[str, Sequence[Sentence]], problems: Problems) -> None:
    """Note examples that could not be told from those of another intent by ear, so that nobody could mean them."""
    first: dict[tuple[str, ...], tuple[str, Sentence]] = {}
    matcher = IntentMatcher({name: [each.text for each in examples] for name, examples in intents.items()})
    for intent, example in ((name, each) for name, examples in intents.items() for each in examples):
        heard = syllables(example.text)
        if not heard:
            if example.text:
                problems.add(example.line, f"'{example.text}' has no Chinese syllable to be heard by")
            continue
        key = tuple(map(confusable, content(heard)))
        other, phrase = first.setdefault(key, (intent, example))
        if other != intent:
            problems.add(
                example.line,
                f"'{example.text}' ({intent}) sounds like '{phrase.text}' ({other}, line {phrase.line})",
                "one of the two must go",
            )
            continue
        match = matcher.match(heard)
        if match.intent is None or match.intent.name != intent:
            rival = next(each for each in match.ranked if each.name != intent)
            problems.add(
                example.line,
                f"'{example.text}' ({intent}) is too near to '{rival.phrase}' ({rival.name})",
                "say more in one of the two, or remove one",
            )
