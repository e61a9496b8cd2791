"""The libraries that Metaflow itself needs in every step, a fixed set: no fact of this host enters it.

The local datastore gets those of S3: what was resolved on a laptop then serves in the cloud as well.
"""

from __future__ import annotations

__all__ = ["METAFLOW_LIBRARIES", "metaflow_libraries"]

_ALWAYS = {"requests": ">=2.21.0"}
_AWS = {"boto3": ">=1.14.0"}

METAFLOW_LIBRARIES: dict[str, dict[str, str]] = {
    "local": {**_ALWAYS, **_AWS},
    "s3": {**_ALWAYS, **_AWS},
    "azure": {
        **_ALWAYS,
        "azure-identity": ">=1.10.0",
        "azure-keyvault-secrets": ">=4.7.0",
        "azure-storage-blob": ">=12.12.0",
        "simple-azure-blob-downloader": ">=0.1.0",
    },
    "gs": {
        **_ALWAYS,
        "google-auth": ">=2.11.0",
        "google-cloud-secret-manager": ">=2.10.0",
        "google-cloud-storage": ">=2.5.0",
        "packaging": ">=24.0",
        "simple-gcp-object-downloader": ">=0.1.0",
    },
}
"""By type of datastore: names, which are the same on conda-forge and PyPI, and versions."""


def metaflow_libraries(datastore_type: str) -> dict[str, str]:
    """Return the libraries for a type of datastore; of one that is unknown, those that are always needed."""
    return dict(METAFLOW_LIBRARIES.get(datastore_type, _ALWAYS))
