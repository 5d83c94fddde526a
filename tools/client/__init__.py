"""WebSocket clients of a deployment: one to talk with, a crowd to count with, and the HTTP API beside them."""
