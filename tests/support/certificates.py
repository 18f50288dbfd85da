"""Certificates of a test: an authority, and folders that change the way a mounted Secret does."""

from __future__ import annotations

import datetime
import itertools
from pathlib import Path

from perpmaker.cli.authority import Authority
from perpmaker.common.identity import Identity, Role
from perpmaker.common.tls import Tls

NAMESPACE = "trading"
ACCOUNT = "main"
HOSTS = ("127.0.0.1", "localhost")


def now() -> datetime.datetime:
    """The time that certificates are compared with."""
    return datetime.datetime.now(datetime.UTC)


def member(role: Role, account: str = ACCOUNT, namespace: str = NAMESPACE) -> Identity:
    """A service or a person of an account."""
    return Identity(role, namespace, account)


OPERATOR = Identity(Role.OPERATOR)


class Mounted:
    """A Secret as kubelet mounts it: links through `..data`, which is swapped in one step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = itertools.count(1)
        folder.mkdir(parents=True)
        for name in ("ca.crt", "tls.crt", "tls.key"):
            (folder / name).symlink_to(Path("..data") / name)

    @property
    def tls(self) -> Tls:
        """Its files."""
        return Tls(
            certificate_file=self._folder / "tls.crt",
            key_file=self._folder / "tls.key",
            ca_file=self._folder / "ca.crt",
        )

    @property
    def folder(self) -> Path:
        """Where it is mounted."""
        return self._folder

    def put(self, files: dict[str, bytes]) -> None:
        """Make these the contents."""
        version = self._folder / f"..{next(self._versions)}"
        version.mkdir()
        for name, content in files.items():
            (version / name).write_bytes(content)
        (self._folder / "..data_tmp").symlink_to(version.name)
        (self._folder / "..data_tmp").replace(self._folder / "..data")


class House:
    """One authority and the Secrets it fills."""

    def __init__(self, folder: Path, name: str = "house") -> None:
        self._folder = folder / name
        self._numbers = itertools.count(1)
        self.authority = Authority.create(now())

    def fill(
        self,
        mounted: Mounted,
        identity: Identity,
        *,
        good_for_s: float = 3600,
        believes: bytes | None = None,
    ) -> None:
        """Put a fresh certificate into a Secret; `believes` are the authorities in ca.crt when not ours alone."""
        at = now()
        issued = self.authority.issue(
            identity,
            HOSTS,
            not_before=at - datetime.timedelta(days=1),
            not_after=at + datetime.timedelta(seconds=good_for_s),
        )
        mounted.put(
            {
                "ca.crt": self.authority.certificate_pem if believes is None else believes,
                "tls.crt": issued.certificate_pem,
                "tls.key": issued.key_pem,
            }
        )

    def mount(self, identity: Identity, *, good_for_s: float = 3600, believes: bytes | None = None) -> Mounted:
        """A Secret with a certificate for `identity`."""
        mounted = Mounted(self._folder / f"{next(self._numbers)}-{identity.role.value}")
        self.fill(mounted, identity, good_for_s=good_for_s, believes=believes)
        return mounted
