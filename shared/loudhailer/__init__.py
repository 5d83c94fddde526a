"""What two or more of Loudhailer's functions share: models, ports, and the only code that calls AWS."""
