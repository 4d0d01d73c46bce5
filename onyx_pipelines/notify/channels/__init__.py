"""Where messages go. A channel is given all events that are due for it, and sends one message."""
