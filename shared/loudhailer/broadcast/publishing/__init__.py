"""Recording and sending of broadcasts, which the functions `publish` and `publish_frame` begin."""
