"""What Conjoin costs, measured as whole processes beside the tools that people would use instead.

``python -m benchmarks.run`` from the root of the repository.
"""

import sys
from pathlib import Path

# The loopback server and the writers of small indexes live with the tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
