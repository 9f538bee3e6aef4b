"""Where frames enter and leave the engine: TAP devices and in-memory pairs."""
