"""From bytes to packets: decoders, sources, packing and the quality stage."""
