"""The shapes that flows have, each step in an environment."""

import os

from looking import look
from metaflow.plugins import InternalTestUnboundedForeachInput

from metaflow import (
    FlowSpec,
    IncludeFile,
    Parameter,
    environment,
    project,
    step,
    timeout,
    unbounded_test_foreach_internal,
)


@project(name="shapes")
class ShapesFlow(FlowSpec):
    """Branches in loops in loops, and a loop whose length nobody knows."""

    word = Parameter("word", default="a")
    text = IncludeFile("text", default=__file__)

    @step
    def start(self):
        self.outer = [self.word, self.word * 2]
        self.next(self.each, foreach="outer")

    @environment(vars={"SHAPE": "loop"})
    @step
    def each(self):
        self.shape = os.environ["SHAPE"]
        self.inner = list(self.input)
        self.next(self.letter, foreach="inner")

    @timeout(seconds=60)
    @step
    def letter(self):
        self.letters = self.input
        self.prefix = look()["prefix"]
        self.next(self.letters_joined)

    @step
    def letters_joined(self, inputs):
        self.letters = "".join(one.letters for one in inputs)
        self.merge_artifacts(inputs, exclude=["letters"])
        self.next(self.joined)

    @step
    def joined(self, inputs):
        self.letters = sorted(one.letters for one in inputs)
        self.prefixes = sorted({one.prefix for one in inputs})
        self.next(self.split)

    @step
    def split(self):
        self.things = InternalTestUnboundedForeachInput([1, 2])
        self.next(self.thing, foreach="things")

    @unbounded_test_foreach_internal
    @step
    def thing(self):
        self.doubled = self.input * 2
        self.prefix = look()["prefix"]
        self.next(self.things_joined)

    @step
    def things_joined(self, inputs):
        self.doubled = sorted(one.doubled for one in inputs)
        self.thing_prefixes = sorted({one.prefix for one in inputs})
        self.merge_artifacts(inputs, exclude=["doubled", "prefix"])
        self.next(self.end)

    @step
    def end(self):
        seen = look()
        self.seen = {
            "letters": self.letters,
            "doubled": self.doubled,
            "prefixes": sorted({*self.prefixes, *self.thing_prefixes, seen["prefix"]}),
            "versions": seen["versions"],
            "text": self.text.splitlines()[0],
        }


if __name__ == "__main__":
    ShapesFlow()
