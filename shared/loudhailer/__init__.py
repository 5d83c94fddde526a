"""Code that two or more functions share: models, ports, and the adapters that call AWS."""
