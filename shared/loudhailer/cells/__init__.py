"""The cells of a deployment: what is declared about them, and what they say about themselves."""
