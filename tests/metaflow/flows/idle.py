"""Much of what Metaflow can do, without any environment: artifacts, loops, failures, workers, settings."""

import os
import sys
from importlib.metadata import distributions

from metaflow import (
    Config,
    FlowMutator,
    FlowSpec,
    IncludeFile,
    JSONType,
    Parameter,
    StepMutator,
    card,
    catch,
    current,
    environment,
    parallel,
    project,
    resources,
    retry,
    step,
    timeout,
    user_step_decorator,
)


class WithVariables(FlowMutator):
    """Gives every step variables out of the configuration."""

    def mutate(self, mutable_flow):
        for _, one in mutable_flow.steps:
            one.add_decorator("environment", deco_kwargs={"vars": {"MUTATED": mutable_flow.settings.word}})


class WithRetries(StepMutator):
    """Lets a step try again."""

    def mutate(self, mutable_step):
        mutable_step.add_decorator("retry", deco_kwargs={"times": 1, "minutes_between_retries": 0})


@user_step_decorator
def counted(step_name, flow, inputs=None, attributes=None):
    """Count what a step leaves."""
    yield
    flow.counted = len(step_name)


@project(name="idle")
@WithVariables
class IdleFlow(FlowSpec):
    """Nothing in it knows of environments."""

    settings = Config("settings", default_value={"word": "configured", "items": [1, 2]})
    alpha = Parameter("alpha", default=0.5)
    shape = Parameter("shape", type=JSONType, default='{"a": [1]}')
    text = IncludeFile("text", default=__file__)

    @step
    def start(self):
        self.items = list(self.settings["items"])
        self.path = [entry for entry in sys.path if entry]
        self.installed = sorted({one.metadata["Name"] for one in distributions()})
        self.variables = sorted(name for name in os.environ if name != "METAFLOW_EXTENSIONS_SEARCH_DIRS")
        self.prefix = sys.prefix
        self.head = self.text[:20]
        self.next(self.loop, self.caught)

    @step
    def loop(self):
        self.next(self.item, foreach="items")

    @resources(cpu=1)
    @environment(vars={"LOOP": "yes"})
    @step
    def item(self):
        self.doubled = self.input * 2
        self.seen = (os.environ["LOOP"], os.environ.get("MUTATED"))
        self.next(self.items_joined)

    @counted
    @step
    def items_joined(self, inputs):
        self.doubled = [one.doubled for one in inputs]
        self.merge_artifacts(inputs, include=["seen"])
        self.next(self.joined)

    @catch(var="problem", print_exception=False)
    @WithRetries
    @timeout(seconds=60)
    @step
    def caught(self):
        raise ValueError("attempt %d" % current.retry_count)  # noqa: UP031
        self.next(self.joined)

    @step
    def joined(self, inputs):
        self.problem = str(inputs.caught.problem)
        self.doubled, self.counted = inputs.items_joined.doubled, inputs.items_joined.counted
        self.next(self.together)

    @step
    def together(self):
        self.next(self.worker, num_parallel=2)

    @parallel
    @step
    def worker(self):
        self.node = (current.parallel.node_index, current.parallel.num_nodes)
        self.next(self.gathered)

    @step
    def gathered(self, inputs):
        self.nodes = sorted(one.node for one in inputs)
        self.next(self.fragile)

    @retry(times=0)
    @card(type="blank")
    @step
    def fragile(self):
        print("said in a task")
        if os.environ.get("FAIL"):
            raise RuntimeError("asked to fail")
        self.project = current.project_name
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    IdleFlow()
