"""A certificate authority in a folder: enough for a cluster without cert-manager, and for tests.

Keys are elliptic (P-256); the authority's key never leaves its folder.
"""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from perpmaker.common.identity import Identity

CA_CERTIFICATE_FILE: Final = "ca.crt"
CA_KEY_FILE: Final = "ca.key"
_CA_DAYS: Final = 3650
_CLOCK_DIFFERENCE: Final = datetime.timedelta(minutes=5)
_SECRET_MODE = 0o600
_SECRET_FOLDER_MODE = 0o700


class AuthorityError(Exception):
    """The folder cannot be used as an authority; the text names the file and the remedy."""


@dataclass(frozen=True, slots=True)
class Issued:
    """A certificate with its key, PEM."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _named(name: str) -> x509.Name:
    # A common name has room for 64 characters, and nobody looks at it.
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])


def _alternative_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


class Authority:
    """Signs certificates."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key

    @property
    def certificate_pem(self) -> bytes:
        """What peers must believe."""
        return self._certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The secret with which it signs."""
        return _key_pem(self._key)

    @classmethod
    def create(cls, now: datetime.datetime, days: int = _CA_DAYS) -> Authority:
        """Make a new one."""
        key = ec.generate_private_key(ec.SECP256R1())
        serial = x509.random_serial_number()
        name = _named(f"perpmaker authority {serial:x}")
        identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        certificate = (
            x509.CertificateBuilder(name, name, key.public_key(), serial)
            .not_valid_before(now - _CLOCK_DIFFERENCE)
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_usage(signs_certificates=True), critical=True)
            .add_extension(identifier, critical=False)
            .sign(key, hashes.SHA256())
        )
        return cls(certificate, key)

    def issue(
        self,
        identity: Identity,
        hosts: Iterable[str],
        *,
        not_before: datetime.datetime,
        not_after: datetime.datetime,
    ) -> Issued:
        """Sign a new key for `identity`; `hosts` are the names and addresses under which it is reached."""
        key = ec.generate_private_key(ec.SECP256R1())
        names = [x509.UniformResourceIdentifier(identity.uri), *map(_alternative_name, dict.fromkeys(hosts))]
        purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        certificate = (
            x509.CertificateBuilder(
                self._certificate.subject, _named(identity.role.value), key.public_key(), x509.random_serial_number()
            )
            .not_valid_before(not_before)
            .not_valid_after(not_after)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
            .add_extension(x509.SubjectAlternativeName(names), critical=False)
            .add_extension(issuer, critical=False)
            .sign(self._key, hashes.SHA256())
        )
        return Issued(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))


def write_secret(path: Path, content: bytes) -> None:
    """Write a file that nobody but its owner may read, also while it is being written."""
    path.touch(mode=_SECRET_MODE)
    path.chmod(_SECRET_MODE)
    path.write_bytes(content)


def open_authority(folder: Path, now: datetime.datetime) -> tuple[Authority, bool]:
    """The authority in the folder, and whether it was made just now. Raises AuthorityError."""
    certificate_file, key_file = folder / CA_CERTIFICATE_FILE, folder / CA_KEY_FILE
    if not certificate_file.exists() and not key_file.exists():
        authority = Authority.create(now)
        folder.mkdir(mode=_SECRET_FOLDER_MODE, parents=True, exist_ok=True)
        write_secret(key_file, authority.key_pem)
        certificate_file.write_bytes(authority.certificate_pem)
        return authority, True
    try:
        certificate = x509.load_pem_x509_certificate(certificate_file.read_bytes())
        key = serialization.load_pem_private_key(key_file.read_bytes(), password=None)
    except (OSError, ValueError, TypeError) as error:
        raise AuthorityError(
            f"{folder} holds no usable authority ({error}); give the folder with ca.crt and ca.key, or an empty one"
        ) from error
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise AuthorityError(f"{key_file} does not fit {certificate_file}; give the pair that was made together")
    if certificate.not_valid_after_utc <= now:
        raise AuthorityError(f"{certificate_file} has expired; move the folder away, and a new authority is made")
    return Authority(certificate, key), False


def validity(now: datetime.datetime, days: int) -> tuple[datetime.datetime, datetime.datetime]:
    """From when to when a certificate made now is good; a little earlier, for clocks that are slow."""
    return now - _CLOCK_DIFFERENCE, now + datetime.timedelta(days=days)
