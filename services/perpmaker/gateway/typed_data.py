"""Hashes of typed data (EIP-712), as far as the exchange uses it: a domain without a contract, and flat structs."""

from __future__ import annotations

from Crypto.Hash import keccak


def keccak256(data: bytes) -> bytes:
    """Keccak-256 as Ethereum uses it."""
    return keccak.new(digest_bits=256, data=data).digest()


def domain_separator(name: str, chain_id: int) -> bytes:
    """Hash of a domain of version 1 without a verifying contract."""
    return keccak256(
        keccak256(b"EIP712Domain(string name,string version,uint256 chainId,address verifyingContract)")
        + text_word(name)
        + text_word("1")
        + number_word(chain_id)
        + bytes(32)
    )


def digest_prefix(separator: bytes) -> bytes:
    """What comes before a struct's hash in the bytes that are hashed and signed."""
    return b"\x19\x01" + separator


def text_word(text: str) -> bytes:
    """A string inside a struct."""
    return keccak256(text.encode())


def number_word(number: int) -> bytes:
    """An unsigned number, or a yes (1) or no (0), inside a struct. Raises OverflowError for a negative one."""
    return number.to_bytes(32, "big")


def address_word(address: str) -> bytes:
    """An address (20 bytes in hex after 0x) inside a struct."""
    return bytes.fromhex(address.removeprefix("0x")).rjust(32, b"\0")
