"""What clients send and are told: who calls, the frames, the players' inboxes."""
