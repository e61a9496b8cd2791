"""The public ``Requirements``: what is asked for, as data, and the two ways to spell it in a script.

A module of its own, beside :mod:`conjoin.api`: naming ``conjoin.Requirements`` loads nothing of what makes
environments, and ``conjoin.hydrate`` nothing of what reads requests.
"""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from conjoin.spec import requirements

__all__ = ["Requirements"]


class Requirements(requirements.Requirements):
    """Everything that decides which packages are chosen; the fields are those of its base.

    Equal to every :class:`conjoin.spec.requirements.Requirements` that asks for the same.
    """

    __slots__ = ()

    @classmethod
    def build(cls, **texts: Any) -> Requirements:
        """Return the requirements that raw texts spell: ``Requirements.build(conda=["numpy=1.26"])``.

        Parameters and errors are those of :func:`conjoin.spec.build.build_requirements`.
        """
        from conjoin.spec.build import build_requirements

        return cls._of(build_requirements(**texts))

    @classmethod
    def from_file(cls, path: str | Path, **texts: Any) -> Requirements:
        """Return what an environment.yml, requirements.txt, pyproject.toml or script (PEP 723) asks for.

        :param texts: ``kind``, ``extras`` and ``groups`` as
            :func:`conjoin.spec.readers.read_file.read_requirements` takes them; everything else, as
            :meth:`build` takes it, is asked for beside the file.
        :raises UsageError: where the file cannot be read, with line and what was expected.
        """
        from conjoin.spec.readers.read_file import read_requirements

        how = {name: texts.pop(name) for name in ("kind", "extras", "groups") if name in texts}
        return cls.build(sources=[read_requirements(path, **how)], **texts)

    @classmethod
    def _of(cls, data: requirements.Requirements) -> Requirements:
        return cls(**{field.name: getattr(data, field.name) for field in fields(data)})

    def __eq__(self, other: object) -> bool:
        # Dataclasses compare with their very class alone. Python asks a subclass first, on either side.
        if not isinstance(other, requirements.Requirements):
            return NotImplemented
        compared = (field.name for field in fields(self) if field.compare)
        return all(getattr(self, name) == getattr(other, name) for name in compared)

    __hash__ = requirements.Requirements.__hash__
