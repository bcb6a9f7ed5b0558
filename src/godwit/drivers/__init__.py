"""The drivers: how the ports of the engine are served by the real world. They never decide."""
