"""A long stream as a row of sealed chunks: AES-256-GCM, of which none can be changed, moved, left out or added unseen.

    header | chunk 0 | chunk 1 | ... | last chunk        each chunk: up to 64 KiB, and 16 bytes that prove it

The number of a chunk and whether it is the last go into its nonce, the header into its proof. So a stream needs 64 KiB
of memory however long it is, can be read from any place, and one that was cut off is told from a whole one. A key is
used for one stream only: whoever writes one derives it anew.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from fidgety.durable import Reader, Writer
from fidgety.errors import DeviceError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["CHUNK_BYTES", "ChunkReader", "stream_key", "write_chunks"]

CHUNK_BYTES = 1 << 16  # what is sealed stays readable: another size needs another header
_PROOF_BYTES = 16


def stream_key(secret: bytes, salt: bytes, use: bytes) -> AESGCM:
    """The cipher of one stream: HKDF-SHA256 of a secret, with a salt that is never used again."""
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), 32, salt, use).derive(secret))


def write_chunks(source: Reader, target: Writer, cipher: AESGCM, header: bytes) -> None:
    """Seal a stream to its end. The header is proved with every chunk; writing it is the caller's."""
    for number, (block, is_last) in enumerate(_blocks(source)):
        target.write(cipher.encrypt(_nonce(number, is_last), block, header))


class ChunkReader(io.RawIOBase):
    """The content of a sealed stream, readable from any place.

    Raises DeviceError, naming `where`, for a wrong key and for anything that was changed; the end is looked at first,
    so that one that was cut off is refused before a byte of it is believed.
    """

    def __init__(self, stream: BinaryIO, cipher: AESGCM, header: bytes, where: str) -> None:
        super().__init__()
        self._stream, self._cipher, self._header, self._where = stream, cipher, header, where
        n_sealed = stream.seek(0, io.SEEK_END) - len(header)
        self._n_chunks = -(-n_sealed // (CHUNK_BYTES + _PROOF_BYTES))
        self.n_bytes = n_sealed - self._n_chunks * _PROOF_BYTES
        self._place, self._held, self._chunk = 0, -1, b""
        if self._n_chunks < 1 or self.n_bytes < 0:
            raise DeviceError(f"{where} is cut off: it holds no whole chunk")
        self._hold(self._n_chunks - 1)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        start = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self.n_bytes}[whence]
        self._place = max(0, start + offset)
        return self._place

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        if self._place >= self.n_bytes:
            return 0
        number, start = divmod(self._place, CHUNK_BYTES)
        self._hold(number)
        part = self._chunk[start : start + len(buffer)]
        buffer[: len(part)] = part
        self._place += len(part)
        return len(part)

    def close(self) -> None:
        self._stream.close()
        super().close()

    def _hold(self, number: int) -> None:
        from cryptography.exceptions import InvalidTag

        if number == self._held:
            return
        self._stream.seek(len(self._header) + number * (CHUNK_BYTES + _PROOF_BYTES))
        sealed = self._stream.read(CHUNK_BYTES + _PROOF_BYTES)
        try:
            chunk = self._cipher.decrypt(_nonce(number, number == self._n_chunks - 1), sealed, self._header)
        except InvalidTag:
            raise DeviceError(
                f"{self._where} was changed or cut off (chunk {number} of {self._n_chunks}): get it from a backup"
            ) from None
        self._held, self._chunk = number, chunk


def _blocks(source: Reader) -> Iterator[tuple[bytes, bool]]:
    """Whole blocks but for the last, which may be empty, and whether it is the last."""
    block = _read_block(source)
    while True:
        following = _read_block(source) if len(block) == CHUNK_BYTES else b""
        yield block, not following
        if not following:
            return
        block = following


def _read_block(source: Reader) -> bytes:
    block = b""
    while len(block) < CHUNK_BYTES and (part := source.read(CHUNK_BYTES - len(block))):
        block += part
    return block


def _nonce(number: int, is_last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([is_last])
