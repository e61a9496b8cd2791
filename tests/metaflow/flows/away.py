"""A step with an environment behind one without: what is sent elsewhere, fails there, and is tried again."""

from metaflow import FlowSpec, conda, retry, step


class AwayFlow(FlowSpec):
    """``work`` is what tests are about; ``start`` gives it something to begin with."""

    @conda(disabled=True)
    @step
    def start(self):
        self.next(self.work)

    @retry(times=3, minutes_between_retries=0)
    @conda(packages={"tinylib": "==1.0"})
    @step
    def work(self):
        self.next(self.end)

    @conda(disabled=True)
    @step
    def end(self):
        pass


if __name__ == "__main__":
    AwayFlow()
