"""Sessions: made and ended over HTTP."""
