"""The demonstration: the whole system in one process on a simulated storm day, with phones and loudspeakers of its own."""
