"""Who hears a process's events: each on a stream of its own, and none may hold up the others."""

import asyncio

from dataplane.lines import Document, to_line

MAXIMUM_UNREAD_OCTETS = 1 << 20


class Subscribers:
    """Streams that get every published document. One that does not read is dropped; it may come again."""

    def __init__(self) -> None:
        self._writers: set[asyncio.StreamWriter] = set()

    def __len__(self) -> int:
        return len(self._writers)

    def add(self, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)

    def discard(self, writer: asyncio.StreamWriter) -> None:
        self._writers.discard(writer)

    def publish(self, document: Document) -> None:
        """Writes the document to all, without waiting for any."""
        line = to_line(document)
        for writer in list(self._writers):
            if writer.transport.get_write_buffer_size() > MAXIMUM_UNREAD_OCTETS:
                self._writers.discard(writer)
                writer.transport.abort()  # close() would wait for it to read
            else:
                writer.write(line)
