"""Simulated days: readings as instruments would send them, and what really happened.

The physics make noise-free series and then what instruments say of them; truth is computed from the
noise-free series alone, by code that imports no detector, so that alerts can be judged by it.
"""
