"""Sockets around the venue: HTTP, WebSocket, control port, the block clock."""
