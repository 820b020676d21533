"""The link over WebSocket: JSON text frames between control and its gateways and nodes."""
