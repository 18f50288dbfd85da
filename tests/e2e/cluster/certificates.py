"""One authority and the certificates it signs for the cluster's processes."""

from __future__ import annotations

import datetime as dt
import ipaddress
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID
from tests.e2e.cluster.layout import NODE_NAME, Layout

_LIFETIME: Final = dt.timedelta(days=30)


class Authority:
    """Signs certificates and writes them, with their keys, into one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "perpmaker e2e")])
        usage = x509.KeyUsage(True, False, False, False, False, True, True, False, False)
        certificate = (
            self._unsigned(self._name, self._key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .sign(self._key, hashes.SHA256())
        )
        self._write("ca.crt", certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, file: str, name: str, group: str | None = None, sans: Sequence[str] = ()) -> None:
        """Write `file`.crt and `file`.key; Kubernetes takes the name for the user and the group for its group."""
        key = ec.generate_private_key(ec.SECP256R1())
        parts = [x509.NameAttribute(NameOID.COMMON_NAME, name)]
        if group is not None:
            parts.insert(0, x509.NameAttribute(NameOID.ORGANIZATION_NAME, group))
        purposes = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = (
            self._unsigned(x509.Name(parts), key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        )
        if sans:
            builder = builder.add_extension(x509.SubjectAlternativeName([_san(one) for one in sans]), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
        self._write(f"{file}.crt", certificate.public_bytes(serialization.Encoding.PEM))
        self._write(f"{file}.key", _private_pem(key))

    def signing_pair(self, file: str) -> None:
        """Write a pair of bare keys, `file`.key and `file`.pub."""
        key = ec.generate_private_key(ec.SECP256R1())
        self._write(f"{file}.key", _private_pem(key))
        public = serialization.PublicFormat.SubjectPublicKeyInfo
        self._write(f"{file}.pub", key.public_key().public_bytes(serialization.Encoding.PEM, public))

    def _unsigned(self, subject: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
        now = dt.datetime.now(dt.UTC)
        return (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - dt.timedelta(minutes=5))
            .not_valid_after(now + _LIFETIME)
        )

    def _write(self, name: str, content: bytes) -> None:
        with os.fdopen(os.open(self._folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(content)


def _san(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    form = serialization.PrivateFormat.PKCS8
    return key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption())


def issue_all(layout: Layout) -> None:
    """Everything the cluster's processes show each other."""
    folder = layout.path("pki")
    folder.mkdir(mode=0o700)
    authority = Authority(folder)
    short = "kubernetes.default.svc"
    authority.issue(
        "apiserver",
        "kube-apiserver",
        sans=(
            *("localhost", "kubernetes", "kubernetes.default", short, f"{short}.cluster.local"),
            *("127.0.0.1", layout.api_service_ip, layout.node_ip),
        ),
    )
    authority.issue("apiserver-kubelet", "kube-apiserver-kubelet-client", "system:masters")
    authority.issue("controller-manager", "system:kube-controller-manager")
    authority.issue("scheduler", "system:kube-scheduler")
    authority.issue("kubelet", f"system:node:{NODE_NAME}", "system:nodes", (NODE_NAME, layout.node_ip))
    authority.issue("proxy", "system:kube-proxy")
    authority.signing_pair("sa")
