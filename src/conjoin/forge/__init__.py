"""Makes real conda packages and channels out of interpreters, wheels and folders.

For air-gapped users, for the demo and for Conjoin's own tests: no public conda channel is needed.

    from conjoin.forge import forge

    forge("channel", pythons=["3.11", "3.12"], wheels=["numpy==1.26.4"], sample=True)
"""

from conjoin.forge.channel import ForgedPackage
from conjoin.forge.forging import forge

__all__ = ["ForgedPackage", "forge"]
