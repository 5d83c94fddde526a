"""WebSocket messages: their senders, the exchange of each route, the replies."""
