"""Records a connection within its limits."""
