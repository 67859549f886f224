"""How our programs reach servers: what a configuration names, and plain words where a line does not stand."""
