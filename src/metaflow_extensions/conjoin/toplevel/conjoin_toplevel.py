"""Names that ``import metaflow`` offers: the extension tells its version in ``metaflow.__version__``.

The decorators need no line here: Metaflow itself offers every decorator it knows as ``metaflow.<name>``.
"""

__mf_extensions__ = "conjoin"

# Written out: a task has the extension, but neither the engine nor its metadata to look it up in.
__version__ = "0.1.0"
