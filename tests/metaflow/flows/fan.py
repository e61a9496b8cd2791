"""Thirty tasks in an environment that is slow to come, while another step goes on talking."""

import time

from looking import look

from metaflow import FlowSpec, Parameter, conda, conda_base, step


@conda_base(disabled=True)
class FanFlow(FlowSpec):
    """Only ``labour`` has an environment."""

    width = Parameter("width", default=30)
    seconds = Parameter("seconds", default=5.0)

    @step
    def start(self):
        self.next(self.talk, self.fan)

    @step
    def talk(self):
        end = time.time() + self.seconds
        while time.time() < end:
            print("at %.3f" % time.time(), flush=True)  # noqa: UP031
            time.sleep(0.1)
        self.next(self.joined)

    @step
    def fan(self):
        self.items = list(range(self.width))
        self.next(self.labour, foreach="items")

    @conda(libraries={"tinyapp": "1.0"})
    @step
    def labour(self):
        self.seen = look()
        self.next(self.collect)

    @step
    def collect(self, inputs):
        self.prefixes = sorted({one.seen["prefix"] for one in inputs})
        self.next(self.joined)

    @step
    def joined(self, inputs):
        self.next(self.end)

    @step
    def end(self):
        pass


if __name__ == "__main__":
    FanFlow()
