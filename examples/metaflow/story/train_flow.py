"""A flow whose training step runs in an environment that the team keeps by name."""

import sys
from importlib.metadata import version
from pathlib import Path

from metaflow import FlowSpec, conda_base, named_env, step


@conda_base(disabled=True)
class TrainFlow(FlowSpec):
    """Only training needs the big environment."""

    @step
    def start(self):
        """Go on."""
        self.next(self.train)

    @named_env(name="mlp/ml-team/torch-cuda:v1")
    @step
    def train(self):
        """Train, or at least import what it takes."""
        import torch

        self.torch, self.humanize = torch.__version__, version("humanize")
        self.cuda = Path(sys.prefix, "share/cuda/version.txt").read_text().strip()
        self.next(self.end)

    @step
    def end(self):
        """Tell."""
        print("trained with torch", self.torch, "and humanize", self.humanize, "on CUDA", self.cuda)


if __name__ == "__main__":
    TrainFlow()
