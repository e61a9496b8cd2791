"""Everything of Metaflow that is not meant for extensions and is needed all the same: one function each.

What Metaflow promises to extensions (decorators, environments, settings, exceptions, lists of its plugins) is
used where it is needed. What it promises to nobody is reached from here alone, with a test for each
(``tests/metaflow/test_metaflow_internals.py``), which fails when Metaflow moves it.

Nothing is imported at module level: Metaflow's configuration is being read when this is imported first.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple

__all__ = [
    "FlowDecorators",
    "click_contexts",
    "code_member",
    "extract_code",
    "flow_decorators",
    "installed_metaflow",
    "listed_content",
    "metaflow_click",
    "other_member",
    "parameter_artifacts",
    "runner_module",
    "serialize_setting",
    "user_defined_attributes",
]

_POLL = 0.005  # seconds between two looks at what another thread does


def metaflow_click() -> Any:
    """Return the click that Metaflow brings: it takes commands of no other (``metaflow._vendor.click``)."""
    from metaflow._vendor import click

    return click


def click_contexts() -> Iterator[Any]:
    """Yield the contexts of the command that is running, the innermost first; none outside of any command."""
    context = metaflow_click().get_current_context(silent=True)
    while context is not None:
        yield context
        context = context.parent


def user_defined_attributes(decorator: Any) -> set[str]:
    """Return the names of the attributes that the user gave a decorator: the very set, which may be added to.

    Metaflow's own decorators read ``_user_defined_attributes``; there is no public way.
    """
    found: set[str] = decorator._user_defined_attributes
    return found


class FlowDecorators(NamedTuple):
    """The decorators of a flow.

    :ivar inherited: those of the classes it derives from.
    :ivar own: its own; all of them where Metaflow does not tell them apart.
    """

    inherited: list[Any]
    own: list[Any]


def flow_decorators(flow: Any) -> FlowDecorators:
    """Return a flow's decorators, its own apart from those it inherits.

    Metaflow keeps them in ``FlowSpec._flow_state``, in two halves; ``_flow_decorators`` is both together.

    :param flow: the :class:`metaflow.FlowSpec`.
    """
    state = getattr(type(flow), "_flow_state", None)
    own = _decorators_of(getattr(state, "self_data", None))
    inherited = _decorators_of(getattr(state, "inherited_data", None))
    if own is None or inherited is None:
        return FlowDecorators([], [one for several in flow._flow_decorators.values() for one in several])
    return FlowDecorators(inherited, own)


def _decorators_of(data: Any) -> list[Any] | None:
    """Return the decorators in one half of a flow's state."""
    if data is None:
        return None
    from metaflow.flowspec import FlowStateItems

    decorators: dict[str, list[Any]] = data.get(FlowStateItems.FLOW_DECORATORS) or {}
    return [one for several in decorators.values() for one in several]


def serialize_setting(name: str, serializer: Callable[[Any], str]) -> None:
    """Have Metaflow write a setting so into what it hands to remote tasks.

    ``metaflow_config_funcs._all_configs`` keeps a serializer for each; ``from_conf`` lets nobody choose it.

    :param name: with ``METAFLOW_``; it was read by ``from_conf`` before.
    """
    from metaflow import metaflow_config_funcs

    known = metaflow_config_funcs._all_configs
    known[name] = known[name]._replace(serializer=serializer)


def code_member(path: str, name: str) -> tuple[str, str, Any]:
    """Return a file among the code of a code package, as ``MetaflowEnvironment.add_to_package`` gives it."""
    from metaflow.packaging_sys import ContentType

    return path, name, ContentType.CODE_CONTENT


def other_member(path: str, name: str) -> tuple[str, str, Any]:
    """Return a file beside the code of a code package, as ``MetaflowEnvironment.add_to_package`` gives it."""
    from metaflow.packaging_sys import ContentType

    return path, name, ContentType.OTHER_CONTENT


def listed_content(package: Any) -> Iterator[tuple[str | bytes, str]]:
    """Yield what is in a code package but the user's code: a file's path or content, and its name there.

    The public way (``extract_into``) waits until the package is packed and compressed, which takes longer
    than everything else that starting a run costs: so ``_mfcontent``, as soon as ``_cached_user_members``
    says that everything is listed. Where listing failed, the package's ``blob`` raises what went wrong.

    :param package: the run's (:class:`metaflow.package.MetaflowPackage`), which another thread makes.
    """
    from metaflow.packaging_sys import ContentType

    while getattr(package, "_cached_user_members", None) is None:
        if getattr(package, "_is_package_available", True) is not None:
            _ = package.blob  # raises what went wrong, if something did
            break
        time.sleep(_POLL)
    wanted = ContentType.ALL_CONTENT.value & ~ContentType.USER_CONTENT.value
    yield from package._mfcontent.contents(wanted)


def extract_code(code: Any, folder: Path) -> None:
    """Write the code package of a run that is over into a folder.

    The client shows its files as a tar archive alone, without what Metaflow put elsewhere in it: so
    ``_code_obj`` and ``_code_metadata``.

    :param code: of the run (:class:`metaflow.client.core.MetaflowCode`).
    """
    from metaflow.package import MetaflowPackage

    code._code_obj.seek(0)
    MetaflowPackage.cls_extract_into(code._code_metadata, code._code_obj, str(folder))
    code._code_obj.seek(0)


def installed_metaflow() -> Iterator[tuple[str | bytes, str]]:
    """Yield Metaflow and its extensions as they are installed here, as in a code package without a flow.

    :return: a file's path or content, and its name in the package.
    """
    from metaflow.metaflow_environment import MetaflowEnvironment
    from metaflow.packaging_sys import ContentType
    from metaflow.packaging_sys.v1 import MetaflowCodeContentV1
    from metaflow.system.system_utils import DummyFlow

    content = MetaflowCodeContentV1(criteria=lambda _module: False)
    information = MetaflowEnvironment(DummyFlow()).get_environment_info(include_ext_info=True)
    information.pop("production_token", None)
    content.add_info(information)
    yield from content.contents(ContentType.ALL_CONTENT.value)


def parameter_artifacts(flow: str, run_id: str, datastore_type: str, datastore_root: str) -> Any | None:
    """Return the parameters of a run, as they were kept when it began; None where they were not yet.

    From the datastore, and not through the client: a task's container may have no metadata service.

    :return: a mapping of names to values, of which no value is loaded before it is asked for.
    """
    from metaflow.datastore import FlowDataStore
    from metaflow.plugins import DATASTORES

    [storage] = [one for one in DATASTORES if datastore_type == one.TYPE]
    datastore = FlowDataStore(flow, None, storage_impl=storage, ds_root=datastore_root)
    return next(iter(datastore.get_task_datastores(run_id, ["_parameters"])), None)


def runner_module() -> Any:
    """Return how Metaflow's Runner waits for the commands it starts (``metaflow.runner.utils``)."""
    from metaflow.runner import utils

    return utils
