"""A gateway that is cut off from Kafka: a buffer on its disk, and warnings of its own until the line is back."""
