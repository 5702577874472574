"""A stand-in for Amazon Nova Sonic: its events from our detector, in real event-stream frames, over two transports."""
