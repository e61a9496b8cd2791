"""What Metaflow does with tasks besides running them: workers, retries, cards, resuming."""

import os
import sys

from looking import look

from metaflow import FlowSpec, card, catch, conda, conda_base, current, parallel, retry, step


@conda_base(packages={"tinylib": "1.0"})
class LifeFlow(FlowSpec):
    """``fragile`` fails as long as ``FAIL`` is set."""

    @step
    def start(self):
        import tinylib

        self.version = tinylib.__version__
        self.next(self.together, num_parallel=2)

    @parallel
    @step
    def together(self):
        import tinylib  # noqa: F401

        self.seen = look()
        self.node = current.parallel.node_index
        self.next(self.gathered)

    @step
    def gathered(self, inputs):
        self.prefixes = [one.seen["prefix"] for one in inputs]
        self.nodes = sorted(one.node for one in inputs)
        self.next(self.caught)

    @catch(var="problem", print_exception=False)
    @retry(times=1, minutes_between_retries=0)
    @step
    def caught(self):
        self.attempt = current.retry_count
        if current.retry_count == 0:
            raise ValueError("once")
        self.next(self.fragile)

    @card
    @step
    def fragile(self):
        if os.environ.get("FAIL"):
            sys.exit("asked to fail")
        if os.environ.get("SHOW"):
            print(sys.prefix)
        self.seen = look()
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        self.seen = look()


if __name__ == "__main__":
    LifeFlow()
