"""The operator's command line, a module a subject."""
