"""The intake: payloads of every source become records of the log, and are acknowledged when they are durable."""
