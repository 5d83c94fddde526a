"""The emulator of AWS: its services, its WebSocket gateway, its Lambda containers."""
