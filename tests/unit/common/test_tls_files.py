"""Certificate files: each mistake is named with its file and its remedy."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.support.certificates import House, Mounted, member, now

from perpmaker.common.certificate_files import CertificateFiles
from perpmaker.common.identity import Role
from perpmaker.common.tls import TlsError, load

GOOD = member(Role.RISK)
SERVER, CLIENT = ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH


@pytest.fixture
def mounted(tmp_path: Path) -> Mounted:
    return House(tmp_path).mount(GOOD)


def replace(mounted: Mounted, **files: bytes) -> None:
    """Put other contents into some of the files."""
    good = load(mounted.tls)
    contents = {"ca.crt": good.ca_pem, "tls.crt": good.certificate_pem, "tls.key": good.key_pem}
    mounted.put(contents | {name.replace("_", "."): content for name, content in files.items()})


def put_certificate(
    mounted: Mounted,
    *names: x509.GeneralName,
    valid_from: datetime.timedelta = datetime.timedelta(days=-1),
    uses: tuple[x509.ObjectIdentifier, ...] = (SERVER, CLIENT),
) -> None:
    """Put a key and a certificate with just these alternative names, good for two days, into the files."""
    key = ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder(x509.Name([]), x509.Name([]), key.public_key(), 1)
    begin = now() + valid_from
    builder = builder.not_valid_before(begin).not_valid_after(begin + datetime.timedelta(days=2))
    builder = builder.add_extension(x509.ExtendedKeyUsage(uses), critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=True)
    replace(
        mounted,
        tls_crt=builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM),
        tls_key=key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
    )


def test_good_files_say_who_we_are_and_until_when(mounted: Mounted) -> None:
    credentials = load(mounted.tls)
    assert credentials.identity == GOOD
    assert 3500 < credentials.expires_at_s - now().timestamp() < 3700


@pytest.mark.parametrize("file", ["ca.crt", "tls.crt", "tls.key"])
def test_a_missing_file_is_named(mounted: Mounted, file: str) -> None:
    (mounted.folder / file).unlink()
    with pytest.raises(TlsError, match=rf"{file} cannot be read \(No such file or directory\); mount the Secret"):
        load(mounted.tls)


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("ca_crt", r"ca\.crt holds no certificate in PEM form"),
        ("tls_crt", r"tls\.crt holds no certificate in PEM form"),
        ("tls_key", r"tls\.key holds no unencrypted private key in PEM form"),
    ],
)
def test_a_file_with_something_else_in_it_is_named(mounted: Mounted, file: str, problem: str) -> None:
    replace(mounted, **{file: b"something else"})
    with pytest.raises(TlsError, match=problem):
        load(mounted.tls)


def test_an_encrypted_key_is_named(mounted: Mounted) -> None:
    key = serialization.load_pem_private_key(load(mounted.tls).key_pem, None)
    encrypted = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    replace(mounted, tls_key=encrypted)
    with pytest.raises(TlsError, match=r"tls\.key holds no unencrypted private key"):
        load(mounted.tls)


def test_a_key_of_another_certificate_is_named_with_both_files(mounted: Mounted, tmp_path: Path) -> None:
    other = load(House(tmp_path, "other").mount(GOOD).tls)
    replace(mounted, tls_key=other.key_pem)
    with pytest.raises(TlsError, match=r"tls\.key does not fit the certificate in .*tls\.crt; give the key"):
        load(mounted.tls)


ANOTHER = x509.UniformResourceIdentifier("spiffe://elsewhere.io/risk")


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        ((), "with 0 URI names"),
        ((x509.DNSName("main-risk"),), "with 0 URI names"),
        ((x509.UniformResourceIdentifier(GOOD.uri), ANOTHER), "with 2 URI names"),
        ((ANOTHER,), "another's certificate: 'spiffe://elsewhere.io/risk' names none of ours"),
    ],
)
def test_a_certificate_that_does_not_say_who_we_are_is_refused(
    mounted: Mounted, names: tuple[x509.GeneralName, ...], problem: str
) -> None:
    put_certificate(mounted, *names)
    with pytest.raises(TlsError, match=rf"tls\.crt is .*{problem}.*; ask your issuer"):
        load(mounted.tls)


@pytest.mark.parametrize(
    ("valid_from_days", "told"),
    [(-3, r"tls\.crt has expired; renew it"), (1, r"tls\.crt is not valid yet; check this machine's clock")],
)
def test_a_certificate_outside_its_time_is_refused(mounted: Mounted, valid_from_days: int, told: str) -> None:
    put_certificate(
        mounted, x509.UniformResourceIdentifier(GOOD.uri), valid_from=datetime.timedelta(days=valid_from_days)
    )
    with pytest.raises(TlsError, match=told):
        load(mounted.tls)


@pytest.mark.parametrize("use", [SERVER, CLIENT])
def test_a_certificate_for_one_side_only_is_refused(mounted: Mounted, use: x509.ObjectIdentifier) -> None:
    put_certificate(mounted, x509.UniformResourceIdentifier(GOOD.uri), uses=(use,))
    with pytest.raises(TlsError, match=r"tls\.crt is refused .*; ask your issuer for one for both server and client"):
        load(mounted.tls)


def test_a_chain_with_an_authority_in_the_middle_is_read_by_its_first_certificate(mounted: Mounted) -> None:
    good = load(mounted.tls)
    replace(mounted, tls_crt=good.certificate_pem + good.ca_pem)
    assert load(mounted.tls).identity == GOOD


def test_files_are_read_again_only_when_they_change(mounted: Mounted, tmp_path: Path) -> None:
    files = CertificateFiles(mounted.tls)
    first = files.newest()
    assert files.newest() is first
    House(tmp_path, "other").fill(mounted, GOOD)
    second = files.newest()
    assert second.certificate_pem != first.certificate_pem
    assert files.newest() is second


def test_a_key_is_never_shown(mounted: Mounted) -> None:
    credentials = load(mounted.tls)
    assert "PRIVATE" not in repr(credentials)
