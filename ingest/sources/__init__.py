"""Sources: hand on bytes with an acknowledgement to call once they are durable. One file a source."""
