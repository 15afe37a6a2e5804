"""Gets a whole tree of pinned npm packages, such as Hardhat's, checked and kept in .cache.

`python -m tools.npm_tree hardhat` prints the folder that holds its node_modules. tools/trees/NAME.json lists
where each package lies, its version and the SHA-512 of its tarball; `python -m tools.lock_tree` writes it. A
tree of your own goes into QUITTANCE_HARDHAT or QUITTANCE_GANACHE.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tools.npm_package import PackageError, Pin, download_together, unpack

TREES = Path(__file__).resolve().parent / "trees"
CACHE = Path(__file__).resolve().parent.parent / ".cache"
PACKAGES_MAX = 500


class NoTreeHere(PackageError):
    """The tree is not pinned for this system, or the one named in the environment is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """Packages by the folder of each, seen from the folder that holds node_modules."""

    name: str
    system: str
    packages: dict[str, Pin]
    digest: str

    @property
    def version(self) -> str:
        """Of the package that gives the tree its name."""
        return self.packages[f"node_modules/{self.name}"].version

    @property
    def environment(self) -> str:
        return f"QUITTANCE_{self.name.upper()}"

    def folder(self, cache: Path) -> Path:
        # The digest is part of the name, so that another list never finds the old files.
        return cache / "npm" / f"{self.name}-{self.version}-{self.digest[:12]}"


def read_tree(name: str) -> Tree:
    """The list of one tree. Raises PackageError where it is not what it should be."""
    raw = (TREES / f"{name}.json").read_bytes()
    listed = json.loads(raw)
    packages = {
        path: Pin(name=package_name(path), version=it["version"], sha512=it["sha512"])
        for path, it in listed["packages"].items()
    }
    if len(packages) > PACKAGES_MAX or f"node_modules/{name}" not in packages:
        msg = f"tools/trees/{name}.json lists too many packages, or not {name} itself"
        raise PackageError(msg)
    return Tree(name=name, system=listed["system"], packages=packages, digest=hashlib.sha256(raw).hexdigest())


def package_name(path: str) -> str:
    """`node_modules/a/node_modules/@scope/b` -> `@scope/b`. Raises PackageError for any other form."""
    parts = PurePosixPath(path).parts
    name = path.rpartition("node_modules/")[2]
    if parts[:1] != ("node_modules",) or ".." in parts or not name or name.count("/") > 1:
        msg = f"a tree has no place {path}"
        raise PackageError(msg)
    return name


def present(tree: Tree, *, cache: Path = CACHE) -> Path | None:
    """The folder of a tree that is here already. Raises NoTreeHere where none can be had."""
    named = os.environ.get(tree.environment)
    if named:
        return _named(tree, Path(named))
    if system() != tree.system:
        msg = (
            f"no {tree.name} is pinned for {system()} (only for {tree.system}); put the folder that holds a "
            f"node_modules with one into {tree.environment}"
        )
        raise NoTreeHere(msg)
    folder = tree.folder(cache)
    return folder if folder.is_dir() else None


def ensure(tree: Tree, *, cache: Path = CACHE) -> Path:
    """The folder of a tree, fetched the first time; it is there only when it is whole."""
    found = present(tree, cache=cache)
    if found is not None:
        return found
    folder = tree.folder(cache)
    folder.parent.mkdir(parents=True, exist_ok=True)
    tarballs = download_together(sorted(set(tree.packages.values()), key=str))
    with tempfile.TemporaryDirectory(prefix=f".{tree.name}-", dir=folder.parent) as unfinished:
        whole = Path(unfinished) / "tree"
        # A package lies inside another one's folder, which therefore has to be there first.
        for path in sorted(tree.packages):
            pin = tree.packages[path]
            unpack(tarballs[pin], pin=pin, folder=whole / path)
        shutil.rmtree(folder, ignore_errors=True)
        whole.rename(folder)
    return folder


def system() -> str:
    """This machine as the lists name it. A package with native code serves one kind of C library alone."""
    library = platform.libc_ver()[0] or "other"
    return f"{platform.system().lower()}-{platform.machine()}-{library}"


def _named(tree: Tree, folder: Path) -> Path:
    if not (folder / "node_modules" / tree.name).is_dir():
        msg = f"{tree.environment} names {folder}, which holds no node_modules/{tree.name}"
        raise NoTreeHere(msg)
    return folder.resolve()


def main(names: Sequence[str]) -> int:
    known = sorted(path.stem for path in TREES.glob("*.json"))
    if not names or not set(names) <= set(known):
        print(f"trees: {', '.join(known)}", file=sys.stderr)
        return 2
    try:
        for name in names:
            print(ensure(read_tree(name)))
    except (PackageError, OSError) as error:
        print(f"npm packages: {error}", file=sys.stderr)
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
