"""What a wheel says of its dependencies, in conda's words: names, versions (PEP 440) and markers (PEP 508).

conda's version order differs from PEP 440's in corners; translations keep to where both agree:

========== ====================== ================================================================
PEP 440    conda                  why
========== ====================== ================================================================
``1.0.dev1`` ``1.0dev1``          conda sorts ``1.0.dev1`` after ``1.0a1``, but ``1.0dev1`` before it
``~=1.4.2``  ``>=1.4.2,1.4.*``
``==1.4.*``  ``1.4.*``
``<2.0``     ``<2dev0``           PEP 440 leaves the pre-releases of 2.0 out as well
``>1.7``     ``>1.7,!=1.7.post*`` and so the post-releases of 1.7
``===x``     ``==x``
========== ====================== ================================================================
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from conjoin.errors import UsageError
from conjoin.spec.names import CondaName, PypiName, conda_name, pypi_name

if TYPE_CHECKING:
    from packaging.requirements import Requirement
    from packaging.specifiers import Specifier, SpecifierSet

__all__ = ["conda_dependencies", "conda_name_of", "conda_specifier", "conda_version"]

# Where conda-forge's name differs from the project's, most often because a C package had it first.
_NAMES = {
    "antlr4-python3-runtime": "antlr-python-runtime",
    "black": "black",
    "blosc": "python-blosc",
    "build": "python-build",
    "duckdb": "python-duckdb",
    "flatbuffers": "python-flatbuffers",
    "graphviz": "python-graphviz",
    "kaleido": "python-kaleido",
    "msgpack": "msgpack-python",
    "opencv-python": "py-opencv",
    "pyqt5": "pyqt",
    "ruamel-yaml": "ruamel.yaml",
    "ruamel-yaml-clib": "ruamel.yaml.clib",
    "stack-data": "stack_data",
    "tables": "pytables",
    "torch": "pytorch",
    "typing-extensions": "typing_extensions",
    "tzdata": "python-tzdata",
    "xgboost": "py-xgboost",
    "xxhash": "python-xxhash",
}
_DOTTED = re.compile(r"(backports|jaraco|zope|ruamel)-(?=.)")


def conda_name_of(project: PypiName, names: Mapping[PypiName, CondaName] | None = None) -> CondaName:
    """Return the name that conda packages of a PyPI project have.

    :param names: the user's own, which go first.
    """
    if names and project in names:
        return names[project]
    return conda_name(_NAMES.get(project) or _DOTTED.sub(r"\1.", project))


def conda_version(text: str) -> str:
    """Return a PEP 440 version as conda spells and sorts it.

    :raises UsageError: where it is none.
    """
    from packaging.version import InvalidVersion, Version

    try:
        version = Version(text)
    except InvalidVersion as error:
        raise UsageError(f"{text!r} is not a version (PEP 440)") from error
    return str(version).replace(".dev", "dev")


def conda_specifier(specifiers: SpecifierSet) -> str:
    """Return a PEP 440 specifier set as conda's version expression, empty for any version."""
    ordered = sorted(specifiers, key=lambda one: (one.operator, one.version))
    return ",".join(part for one in ordered for part in _parts(one))


def _parts(specifier: Specifier) -> list[str]:
    from packaging.version import InvalidVersion, Version

    operator, text = specifier.operator, specifier.version
    if text.endswith(".*"):
        stem = f"{conda_version(text[:-2])}.*"
        return [stem if operator == "==" else f"!={stem}"]
    if operator == "===":
        return [f"=={text}"]
    try:
        version = Version(text)
    except InvalidVersion as error:
        raise UsageError(f"{specifier} is not a version specifier (PEP 440)") from error
    spelled = conda_version(text)
    epoch = f"{version.epoch}!" if version.epoch else ""
    if operator == "~=":
        stem = ".".join(map(str, version.release[:-1]))
        return [f">={spelled}", f"{epoch}{stem}.*"]
    if operator == "<" and not version.is_prerelease:
        # <2dev0 rather than <2.0dev0: conda sorts 2rc1 before 2.0dev0.
        release = list(version.release)
        while len(release) > 1 and release[-1] == 0 and version.post is None:
            release.pop()
        return [f"<{epoch}{'.'.join(map(str, release))}dev0" if version.post is None else f"<{spelled}"]
    if operator == ">" and version.post is None and not version.is_prerelease:
        return [f">{spelled}", f"!={spelled}.post*"]
    return [f"{operator}{spelled}"]


def conda_dependencies(
    requires_dist: Iterable[str],
    environment: Mapping[str, str],
    *,
    names: Mapping[PypiName, CondaName] | None = None,
    known: Mapping[PypiName, Iterable[str]] | None = None,
) -> list[str]:
    """Return the MatchSpecs of the requirements that apply in ``environment``, sorted, each once.

    :param requires_dist: PEP 508 texts of a distribution without any of its extras.
    :param environment: the marker environment (PEP 508) of the target.
    :param names: the user's conda names of projects.
    :param known: Requires-Dist of other distributions: conda has no extras, so ``x[e]`` becomes ``x`` and
        what ``x`` asks for with ``e``; what is not known here is dropped.
    :raises UsageError: for a requirement that is none, or that names a URL: conda packages cannot.
    """
    found: dict[str, None] = {}
    todo = [(text, "") for text in requires_dist]
    seen = set(todo)
    while todo:
        text, extra = todo.pop()
        requirement = _requirement(text)
        if requirement.marker and not requirement.marker.evaluate({**environment, "extra": extra}):
            continue
        if requirement.url:
            raise UsageError(
                f"needs {requirement.name} from a URL, which a conda package cannot say",
                advice="change the wheel's metadata, or leave it to PyPI",
            )
        project = pypi_name(requirement.name)
        found[f"{conda_name_of(project, names)} {conda_specifier(requirement.specifier)}".strip()] = None
        for wanted in requirement.extras:
            further = [(other, wanted) for other in (known or {}).get(project, ()) if "extra" in other]
            todo += [pair for pair in further if pair not in seen]
            seen.update(further)
    return sorted(found)


def _requirement(text: str) -> Requirement:
    from packaging.requirements import InvalidRequirement, Requirement

    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise UsageError(f"{text!r} is not a requirement (PEP 508)") from error
