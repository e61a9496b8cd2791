"""Parsers for ``Config``: a file of packages becomes the attributes of a decorator.

``req_parser`` and ``toml_parser`` give those of ``@pypi``, ``yml_parser`` those of ``@conda``, as the Netflix
extension's do; the files are read as everywhere else. Metaflow's own three parsers stay as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Iterable

from metaflow_extensions.conjoin.errors import EnvironmentProblem

if TYPE_CHECKING:
    from conjoin.spec.partial_requirements import PartialRequirements
    from conjoin.spec.requirements import CondaRequirement, PypiRequirement

__all__ = ["req_parser", "toml_parser", "yml_parser"]

_ELSEWHERE = "metaflow environment resolve takes it, for a @named_env"


def req_parser(content: str) -> dict[str, Any]:
    """
    Parse a requirements.txt into the attributes of `@pypi`.

    Beside what pip takes there, `--conda-pkg` names a conda package.

    Parameters
    ----------
    content : str
        What is in the file.

    Returns
    -------
    Dict[str, Any]
        `packages`, and where the file says something of it `python`, `extra_indices`, `extras` and
        `conda_only`.
    """
    asked = _read("requirements.txt", content)
    if asked.channels:
        raise EnvironmentProblem(f"requirements.txt: @pypi takes no --conda-channel; {_ELSEWHERE}")
    return _of_pypi(asked, "requirements.txt")


def toml_parser(content: str) -> dict[str, Any]:
    """
    Parse a pyproject.toml into the attributes of `@pypi`.

    Parameters
    ----------
    content : str
        What is in the file.

    Returns
    -------
    Dict[str, Any]
        `packages`, and where the file says something of it `python` and `extra_indices`.
    """
    return _of_pypi(_read("pyproject.toml", content), "pyproject.toml")


def yml_parser(content: str) -> dict[str, Any]:
    """
    Parse an environment.yml into the attributes of `@conda`.

    Parameters
    ----------
    content : str
        What is in the file.

    Returns
    -------
    Dict[str, Any]
        `libraries`, and where the file says something of it `python`, `channels`, `pip_packages` and
        `pip_sources`.
    """
    asked = _read("environment.yml", content)
    _refuse(asked, "environment.yml", "@conda", "find_links", "prereleases", "no_index", "only_binary")
    return _said(
        libraries=_conda(asked.conda),
        python=_python(asked),
        channels=list(asked.channels),
        pip_packages=_pypi(asked.pypi, "environment.yml"),
        pip_sources=_indexes(asked),
    )


def _of_pypi(asked: PartialRequirements, file: str) -> dict[str, Any]:
    _refuse(asked, file, "@pypi")
    extras = [
        *(["pre"] if asked.prereleases else []),
        *(["no-index"] if asked.no_index else []),
        *(f"find-links={place}" for place in asked.find_links),
        *(f"only-binary={name}" for name in asked.only_binary),
        *(f"no-binary={name}" for name in asked.no_binary),
    ]
    said = _said(
        python=_python(asked), extras=extras, conda_only=_conda(asked.conda), extra_indices=_indexes(asked)
    )
    return {**said, "packages": _pypi(asked.pypi, file)}


def _read(file: str, content: str) -> PartialRequirements:
    from conjoin.errors import ConjoinError
    from conjoin.spec.readers.environment_yml import read_environment_yml
    from conjoin.spec.readers.pyproject import read_pyproject
    from conjoin.spec.readers.requirements_txt import read_requirements_txt

    try:
        # Metaflow hands over what is in the file, not where it is: paths start from the current folder.
        if file == "environment.yml":
            return read_environment_yml(Path(file), text=content)
        if file == "pyproject.toml":
            return read_pyproject(Path(file), text=content)
        return read_requirements_txt(Path(file), text=content)
    except ConjoinError as error:
        raise EnvironmentProblem(str(error), error.exit_code) from None


def _refuse(asked: PartialRequirements, file: str, decorator: str, *also: str) -> None:
    """Refuse what no attribute of the decorator says, rather than to leave it out."""
    words = {
        "virtual_packages": "system packages (use @sys_packages)",
        "constraints": "constraints",
        "overrides": "overrides",
        "credentials": "passwords in URLs (use ~/.netrc)",
        "find_links": "--find-links",
        "prereleases": "--pre",
        "no_index": "--no-index",
        "only_binary": "--only-binary",
    }
    found = [words[name] for name in [*list(words)[:4], *also] if getattr(asked, name)]
    if found:
        raise EnvironmentProblem(f"{file}: {decorator} takes no {', no '.join(found)}; {_ELSEWHERE}")


def _python(asked: PartialRequirements) -> str:
    from conjoin.spec.syntax.python_version import joined

    return joined(asked.python)


def _indexes(asked: PartialRequirements) -> list[str]:
    # Decorators have no word for the default index; what they name is asked before it.
    return [*asked.extra_indexes, *([asked.index_url] if asked.index_url else [])]


def _conda(requirements: Iterable[CondaRequirement]) -> dict[str, str]:
    found = {}
    for one in requirements:
        name = f"{one.channel}::{one.name}" if one.channel else one.name
        version = one.version[2:] if _is_exact(one.version) and not one.build else one.version
        found[name] = f"{version or '*'} {one.build}" if one.build else version
    return found


def _pypi(requirements: Iterable[PypiRequirement], file: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for one in requirements:
        if one.hashes:
            raise EnvironmentProblem(f"{file}: @pypi takes no --hash; {_ELSEWHERE}")
        name = str(one.name) + (f"[{','.join(one.extras)}]" if one.extras else "")
        name += f"@{one.url}" if one.url else ""
        version = one.specifier[2:] if _is_exact(one.specifier) else one.specifier
        if name in found:
            raise EnvironmentProblem(f"{file}: {name} stands here twice; write it once")
        found[name] = f"{version};{one.marker}" if one.marker else version
    return found


def _is_exact(specifier: str) -> bool:
    return specifier.startswith("==") and not specifier.startswith("===") and "," not in specifier


def _said(**attributes: Any) -> dict[str, Any]:
    return {name: value for name, value in attributes.items() if value}
