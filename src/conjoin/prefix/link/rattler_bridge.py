"""The only module here that calls py-rattler, because it knows the traps, measured with 0.28.

* The interpreter can crash on its way out if it ends right after the last awaited call: :func:`run` ends
  every loop with a short sleep.
* ``install`` locks its package cache for as long as it runs, so environments would wait for each other: it
  only ever sees a private folder of links to extracted packages (:func:`link`).
* It downloads what it believes to be missing from there: records are given a URL that nobody can fetch.
* ``extract`` holds the GIL; ``download_and_extract`` does the same work on rattler's own threads.
* A prefix longer than a placeholder leaves a half-filled prefix: callers check lengths first.
* Post-link scripts are never run: they are arbitrary code outside of what hashes cover by file.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterable, Mapping, Sequence
from contextvars import ContextVar
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from conjoin.errors import IntegrityError, UsageError
from conjoin.lock.model import LockedPackage
from conjoin.net.expansion import check_conda_package
from conjoin.prefix.link.full_disk import linking_failure
from conjoin.untrusted import panics, shortened
from conjoin.writing import full_disk, is_full_disk, replace

if TYPE_CHECKING:
    from rattler import PackageRecord, RepoDataRecord

__all__ = ["EXIT_PAUSE", "extract", "host_virtual_packages", "layer_entry", "link", "run", "unmet"]

EXIT_PAUSE = 0.05
"""Seconds between the last call of rattler and the end of its loop; see the module's docstring."""

_T = TypeVar("_T")
# Of the running task, on the monotonic clock; until it is known, the end of all work counts.
_last_call: ContextVar[float] = ContextVar("_last_call", default=float("inf"))
# Where the bytes are was settled before rattler is asked: it must not fetch any.
_NO_ORIGIN = "file:///verified-before-linking"


def run(work: Coroutine[Any, Any, _T]) -> _T:
    """Run ``work`` to its end and return its result, in a notebook (a loop is running there) as well."""

    async def ended() -> _T:
        try:
            return await work
        finally:
            # Linking wheels after the last call usually took longer than the pause already.
            last_call = min(_last_call.get(), time.monotonic())
            await asyncio.sleep(max(0.0, last_call + EXIT_PAUSE - time.monotonic()))

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(ended())
    results: list[_T] = []
    failures: list[BaseException] = []

    def in_thread() -> None:
        try:
            results.append(asyncio.run(ended()))
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=in_thread, name="conjoin-hydrate")
    thread.start()
    thread.join()
    if failures:
        raise failures[0]
    return results[0]


async def extract(archive: Path, destination: Path) -> tuple[str, str]:
    """Extract a ``.conda`` or ``.tar.bz2`` file into ``destination``; return the archive's sha256 and md5.

    :raises IntegrityError: where it cannot be extracted, or would become too large.
    :raises Unreachable: where the disk is full.
    """
    await asyncio.to_thread(check_conda_package, archive)
    from rattler.networking import Client
    from rattler.package_streaming import download_and_extract

    try:
        with panics():
            sha256, md5 = await download_and_extract(Client(), archive.as_uri(), destination)
    except Exception as error:  # rattler raises a class of its own per cause, most of them not exported
        if is_full_disk(_causes(error)):
            raise full_disk(destination) from error
        raise IntegrityError(
            f"the package {archive.name} cannot be extracted ({_causes(error)})",
            advice="its hash is right, so it was made this way: report it to its channel",
        ) from error
    return sha256.hex(), md5.hex()


def layer_entry(package: LockedPackage) -> str:
    """Return the folder name rattler looks a package up by in a package cache."""
    return f"{package.name}-{package.version}-{package.build}"


async def link(packages: Mapping[LockedPackage, Path], layer: Path, prefix: Path, platform: str) -> None:
    """Link extracted conda packages into an empty prefix.

    :param packages: each with the folder it was extracted to.
    :param layer: a folder of this process alone, which becomes a package cache of links to the former.
    :raises UsageError: where the lock describes a package as none can be.
    :raises IntegrityError: where rattler cannot link a package; the prefix is incomplete then.
    :raises Unreachable: where the disk is full, or may not be written; likewise.
    """
    from rattler import install
    from rattler.package_cache import PackageCache, ValidationMode
    from rattler.platform import Subdir

    _make_layer(packages, layer)
    records = [_record(package) for package in packages]
    try:
        with panics():
            await install(
                records,
                prefix,
                installed_packages=[],
                platform=Subdir(platform),
                execute_link_scripts=False,
                show_progress=False,
                package_cache=PackageCache.new_layered([layer], validation_mode=ValidationMode.skip()),
            )
    except Exception as error:  # as above
        said = _causes(error)
        raise linking_failure(f"the conda packages cannot be linked ({said})", said, prefix) from error
    _last_call.set(time.monotonic())


def _make_layer(packages: Mapping[LockedPackage, Path], layer: Path) -> None:
    layer.mkdir(parents=True)
    for package, extracted in packages.items():
        entry = layer / layer_entry(package)
        entry.symlink_to(extracted, target_is_directory=True)
        # As rattler writes it: a revision, then the sha256 of what was extracted.
        state = (1).to_bytes(8, "big") + bytes.fromhex(package.sha256)
        replace(entry.with_name(f"{entry.name}.lock"), state, durable=False)


def host_virtual_packages() -> dict[str, str]:
    """Return the virtual packages of this host, ``CONDA_OVERRIDE_*`` respected: name to ``version=build``."""
    from rattler import VirtualPackage, VirtualPackageOverrides

    detected = VirtualPackage.detect(overrides=VirtualPackageOverrides.from_env())
    generic = [each.into_generic() for each in detected]
    return {each.name.normalized: f"{each.version}={each.build_string}" for each in generic}


def unmet(dependencies: Iterable[str], host: Mapping[str, str]) -> list[str]:
    """Return those of ``dependencies`` on virtual packages (``__glibc >=2.28``) that ``host`` does not meet.

    The build of ``__archspec`` is not compared: one CPU has many names that include each other.

    :raises UsageError: where one is no dependency at all.
    """
    from rattler import MatchSpec

    missing = []
    for text in dependencies:
        if not text.startswith("__"):
            continue
        name, *rest = text.split()
        version, _, build = host.get(name, "").partition("=")
        wanted = " ".join([name, *rest[:1]]) if name == "__archspec" else text
        try:
            with panics():
                spec = MatchSpec(wanted)
        except Exception as error:  # as above
            raise UsageError(
                f"the lock has a dependency {shortened(text)!r} that is none ({_causes(error)})",
                advice="resolve again",
            ) from None
        if not version or not spec.matches(_virtual_record(name, version, build)):
            missing.append(text)
    return missing


def _virtual_record(name: str, version: str, build: str) -> PackageRecord:
    from rattler import PackageRecord
    from rattler.package.build_string import BuildString

    return PackageRecord(name, version, BuildString.new_unchecked(build or "0"), 0, "noarch")


def _record(package: LockedPackage) -> RepoDataRecord:
    from rattler import NoArchType, PackageRecord, RepoDataRecord
    from rattler.package.build_string import BuildString

    try:
        with panics():
            record = PackageRecord(
                package.name,
                package.version,
                BuildString.new_unchecked(package.build),
                package.build_number,
                package.subdir,
                noarch=NoArchType(_noarch(package)),
                depends=list(package.dependencies),
                constrains=list(package.constrains),
                sha256=bytes.fromhex(package.sha256),
                md5=bytes.fromhex(package.md5) if package.md5 else None,
                size=package.size or None,
                license=package.license or None,
                python_site_packages_path=package.python_site_packages_path or None,
            )
            record.track_features = list(package.track_features)
            if package.timestamp:
                record.timestamp = datetime.fromtimestamp(package.timestamp / 1000, tz=timezone.utc)
            return RepoDataRecord(record, package.file, f"{_NO_ORIGIN}/{package.file}", package.channel)
    except Exception as error:  # as above
        raise UsageError(
            f"the lock's conda package {shortened(package.name)} is not valid ({_causes(error)})",
            advice="locks are not edited by hand: resolve again",
        ) from None


def _noarch(package: LockedPackage) -> Any:
    return package.noarch or None


def _causes(error: BaseException) -> str:
    """Return the message of a rattler error with its causes, on one line."""
    parts: Sequence[str] = [part.strip() for part in str(error).splitlines() if part.strip()]
    return shortened("; ".join(parts) or type(error).__name__)
