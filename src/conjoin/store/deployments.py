"""Workflows that a scheduler starts: which environments each needs, however long ago it was deployed.

Their tasks read a store and write nothing, as thousands of them start at once. So whoever deploys a workflow
notes what it needs, one object each, and what these objects name is no garbage. The deployments before the
last one count as well: runs of theirs may go on, and a deployment may be taken back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timezone

import msgspec

from conjoin.errors import IntegrityError, NotFound, UsageError
from conjoin.spec.grammars import ENVIRONMENT_ID
from conjoin.store.backend.protocol import Backend, update_object
from conjoin.store.layout import deployment_key, is_plain_name
from conjoin.store.user import current_user
from conjoin.untrusted import decode_json

__all__ = ["KEPT", "Deployed", "Deployments"]

KEPT = 3
"""Deployments of one workflow whose environments stay, the last one included."""

_PREFIX = "deployments"
_SCHEMA = 1


class Deployed(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody deployed once.

    :ivar environments: ``req_id:full_id``, each with the steps that run in it, all sorted.
    :ivar user: the login name.
    :ivar time: RFC 3339, UTC, by that user's clock.
    """

    environments: dict[str, tuple[str, ...]]
    user: str = ""
    time: str = ""


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """A workflow's deployments as they are kept: one object, so that all change in one step."""

    schema: int
    deployments: tuple[Deployed, ...]


class Deployments:
    """The deployed workflows of a store, by names like ``argo-workflows/train.prod``."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    def note(self, workflow: str, environments: Mapping[str, Sequence[str]]) -> bool:
        """Note that ``workflow`` is deployed now; one request where it needs the same as before.

        :param environments: ``req_id:full_id``, each with the steps that run in it; their locks are kept.
        :return: whether anything had to be written.
        :raises Conflict: where others change it all the time.
        :raises IntegrityError: where what is there is damaged.
        """
        wanted = {ids: tuple(sorted(steps)) for ids, steps in sorted(environments.items())}
        now = datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")
        new = Deployed(environments=wanted, user=current_user(), time=now)

        def noted(present: bytes | None) -> bytes | None:
            before = self._decode(workflow, present) if present is not None else ()
            if before and before[0].environments == wanted:
                return None
            document = _Document(schema=_SCHEMA, deployments=(new, *before)[:KEPT])
            return msgspec.json.encode(document) + b"\n"

        busy = f"{workflow} is being deployed by others all the time"
        return update_object(self._backend, deployment_key(workflow), noted, busy=busy)

    def all(self) -> Iterator[str]:
        """Yield the name of every workflow that is deployed, sorted."""
        for key in self._backend.keys(_PREFIX):
            name = key.removeprefix(_PREFIX + "/")
            if name.endswith(".json") and name.count("/") == 1 and all(map(is_plain_name, name.split("/"))):
                yield name.removesuffix(".json")

    def get(self, workflow: str) -> tuple[Deployed, ...]:
        """Return the deployments of a workflow that count, newest first; none where it is not there.

        :raises IntegrityError: where what is there is damaged, or of a newer version.
        """
        found = self._backend.get(deployment_key(workflow))
        return self._decode(workflow, found.data) if found is not None else ()

    def forget(self, workflow: str) -> None:
        """Forget a workflow that is deployed no more.

        :raises NotFound: where none of that name is noted.
        """
        key = deployment_key(workflow)
        if self._backend.size(key) is None:
            known = ", ".join(self.all())
            raise NotFound(
                f"no workflow {workflow} is noted as deployed",
                where=self._backend.place,
                advice=f"there are {known}" if known else "there is none",
            )
        self._backend.delete(key)

    def _decode(self, workflow: str, data: bytes) -> tuple[Deployed, ...]:
        where = self._backend.where(deployment_key(workflow))
        try:
            document = decode_json(data, _Document)
        except msgspec.DecodeError as error:
            raise IntegrityError(
                f"what is noted of {workflow} is damaged ({error})",
                where=where,
                advice="delete that object and deploy the workflow again",
            ) from None
        if document.schema != _SCHEMA:
            raise UsageError(
                f"what is noted of {workflow} was written by a newer version", where=where, advice="upgrade"
            )
        named = (ids for each in document.deployments for ids in each.environments)
        if not all(map(ENVIRONMENT_ID.fullmatch, named)):
            raise IntegrityError(f"what is noted of {workflow} names no environment", where=where)
        return document.deployments
