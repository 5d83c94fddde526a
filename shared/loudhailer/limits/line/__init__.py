"""The line of clients that wait until their cell's account may take further connections."""
