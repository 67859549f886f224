"""Decoders: bytes in, readings and rejects out, never an exception. One file a format."""
