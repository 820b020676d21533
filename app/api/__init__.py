"""Doors over HTTP and Socket.IO: routes, schemas, problem answers."""
