"""Sessions, tenants and reports over HTTP."""
