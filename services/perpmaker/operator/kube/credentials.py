"""Who we are to the API server: a pod's service account, or a person's kubeconfig.

A service account's token is a file that the kubelet replaces before it expires, so it is read again when it changes.
"""

from __future__ import annotations

import base64
import binascii
import os
import ssl
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

SERVICE_ACCOUNT_DIR: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")


class CredentialsError(Exception):
    """There is no usable way to the API server; the text says what was looked at and what to do."""


class Token:
    """A bearer token; from a file it follows the file."""

    def __init__(self, value: str | None = None, file: Path | None = None) -> None:
        self._value = value
        self._file = file
        self._stamp: tuple[int, int] | None = None

    def read(self, *, again: bool = False) -> str | None:
        """The token of now; None when there is none. `again` reads the file although it looks unchanged.

        A file that cannot be read for a moment (it is being replaced) leaves the token as it was.
        """
        if self._file is None:
            return self._value
        try:
            found = self._file.stat()
            stamp = (found.st_mtime_ns, found.st_ino)
            if again or stamp != self._stamp:
                self._value = self._file.read_text().strip() or None
                self._stamp = stamp
        except OSError:
            pass
        return self._value


@dataclass(frozen=True, slots=True)
class Credentials:
    """Address of an API server and how to be believed there."""

    server: str
    token: Token
    ca_data: str | None = None
    """Authorities that may have signed the server's certificate, PEM; the system's when absent."""
    insecure: bool = False
    certificate_data: str | None = None
    """Client certificate, PEM."""
    key_data: str | None = None
    namespace: str | None = None
    """Namespace of the pod or of the kubeconfig's context."""

    def ssl_context(self) -> ssl.SSLContext | None:
        """TLS as these credentials want it; None for plain http."""
        if not self.server.startswith("https:"):
            return None
        context = ssl.create_default_context(cadata=self.ca_data)
        if self.insecure:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        if self.certificate_data is not None and self.key_data is not None:
            # The ssl module reads certificates from files only.
            with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
                file.write(f"{self.certificate_data}\n{self.key_data}\n")
                file.flush()
                context.load_cert_chain(file.name)
        return context


def find(environ: Mapping[str, str] = os.environ, service_account_dir: Path = SERVICE_ACCOUNT_DIR) -> Credentials:
    """KUBECONFIG where it is set, else the pod's service account, else ~/.kube/config. Raises CredentialsError."""
    if environ.get("KUBECONFIG"):
        return from_kubeconfig(Path(environ["KUBECONFIG"].split(os.pathsep)[0]).expanduser())
    if (service_account_dir / "token").exists():
        return in_cluster(environ, service_account_dir)
    default = Path("~/.kube/config").expanduser()
    if default.exists():
        return from_kubeconfig(default)
    raise CredentialsError(
        "no way to the API server: not in a pod with a service account token, KUBECONFIG is not set and"
        f" {default} does not exist; set KUBECONFIG or run in a cluster"
    )


def in_cluster(environ: Mapping[str, str], service_account_dir: Path = SERVICE_ACCOUNT_DIR) -> Credentials:
    """Credentials of the pod that this process runs in. Raises CredentialsError."""
    host = environ.get("KUBERNETES_SERVICE_HOST", "kubernetes.default.svc")
    port = environ.get("KUBERNETES_SERVICE_PORT", "443")
    if ":" in host:
        host = f"[{host}]"
    try:
        ca_data = (service_account_dir / "ca.crt").read_text()
    except OSError as error:
        raise CredentialsError(
            f"{service_account_dir}/ca.crt cannot be read ({error.strerror}); let the pod mount its service account"
            " token (automountServiceAccountToken: true)"
        ) from error
    namespace_file = service_account_dir / "namespace"
    return Credentials(
        server=f"https://{host}:{port}",
        token=Token(file=service_account_dir / "token"),
        ca_data=ca_data,
        namespace=namespace_file.read_text().strip() if namespace_file.exists() else None,
    )


def from_kubeconfig(path: Path) -> Credentials:
    """Credentials of the current context of a kubeconfig file. Raises CredentialsError."""
    try:
        document = yaml.safe_load(path.read_text()) or {}
    except OSError as error:
        raise CredentialsError(f"kubeconfig {path} cannot be read: {error.strerror}; set KUBECONFIG") from error
    except yaml.YAMLError as error:
        raise CredentialsError(f"kubeconfig {path} is not YAML: {error}") from error
    current = document.get("current-context")
    if not current:
        raise CredentialsError(f"kubeconfig {path} has no current-context; run `kubectl config use-context NAME`")
    context = _named(path, document, "contexts", "context", current)
    cluster = _named(path, document, "clusters", "cluster", context.get("cluster"))
    user = _named(path, document, "users", "user", context.get("user"))
    if "exec" in user or "auth-provider" in user:
        raise CredentialsError(
            f"kubeconfig {path}: user {context.get('user')} gets its token from another program, which is not"
            " supported; use a service account token or a client certificate"
        )
    token_file = user.get("tokenFile")
    return Credentials(
        server=str(cluster["server"]).rstrip("/"),
        token=Token(user.get("token"), Path(token_file) if token_file else None),
        ca_data=_content(path, cluster, "certificate-authority"),
        insecure=bool(cluster.get("insecure-skip-tls-verify")),
        certificate_data=_content(path, user, "client-certificate"),
        key_data=_content(path, user, "client-key"),
        namespace=context.get("namespace"),
    )


def _named(path: Path, document: Mapping[str, Any], section: str, field: str, name: object) -> dict[str, Any]:
    for item in document.get(section) or ():
        if item.get("name") == name:
            return dict(item.get(field) or {})
    raise CredentialsError(f"kubeconfig {path}: {section} has no entry named {name}")


def _content(path: Path, holder: Mapping[str, Any], field: str) -> str | None:
    data = holder.get(f"{field}-data")
    try:
        if data:
            return base64.b64decode(data, validate=True).decode()
        named = holder.get(field)
        return (path.parent / named).read_text() if named else None
    except OSError as error:
        raise CredentialsError(f"kubeconfig {path}: {field} {error.filename}: {error.strerror}") from error
    except (binascii.Error, UnicodeDecodeError) as error:
        raise CredentialsError(f"kubeconfig {path}: {field}-data is not base64 of PEM text") from error
