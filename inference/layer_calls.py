"""Listens to the calls of a Keras model's layers, and finds in what was heard which layer made a tensor.

So a model is understood as it computes, whatever models are nested in it; nothing in it is changed for long.
"""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Step(NamedTuple):
    """One call of a layer: what it was given and what it made of that, tensors."""

    layer: Any
    given: Any
    made: Any


Hear = Callable[[Step], None]


@contextmanager
def heard(layers: Collection[Any], hear: Hear) -> Iterator[None]:
    """Has each call of these layers told of, as soon as it is done, until the end of the block."""

    def telling(layer: Any) -> Callable[..., Any]:
        call = layer.call

        def told(*args: Any, **options: Any) -> Any:
            made = call(*args, **options)
            given = args[0] if args else next(iter(options.values()), None)
            hear(Step(layer, given, made))
            return made

        return told

    # Beside what Keras keeps track of; a layer looks its method up anew for each call.
    for layer in layers:
        vars(layer)["call"] = telling(layer)
    try:
        yield
    finally:
        for layer in layers:
            del vars(layer)["call"]


@contextmanager
def scored(layer: Any, hear: Callable[[Any], None]) -> Iterator[None]:
    """Has the logits told of that a layer makes: before its own activation, where it has one."""
    activation = None if layer is None else vars(layer).get("activation")
    if activation is None:
        with heard([] if layer is None else [layer], lambda step: hear(step.made)):
            yield
        return

    def told(logits: Any) -> Any:
        hear(logits)
        return activation(logits)

    vars(layer)["activation"] = told
    try:
        yield
    finally:
        vars(layer)["activation"] = activation


def made_by(
    steps: list[Step], tensor: Any, same: frozenset[str], orderly: frozenset[str]
) -> tuple[Any, list[Step]]:
    """The layer that a tensor comes from, with those passed by that only hand on.

    Returns:
        The layer, or None where no layer made it; and the steps up to that one.
    """
    for at in reversed(range(len(steps))):
        step = steps[at]
        if step.made is not tensor:
            continue
        if not _hands_on(step.layer, same, orderly):
            return step.layer, steps[: at + 1]
        tensor = step.given
    return None, []


def _hands_on(layer: Any, same: frozenset[str], orderly: frozenset[str]) -> bool:
    kind = type(layer).__name__
    if kind == "Activation":
        return getattr(layer.activation, "__name__", "") in orderly
    return kind in same or (kind == "Softmax" and "softmax" in orderly)
