"""The words of the house as types: what every room speaks, and no room owns.

Nothing here reads a clock, a file or a socket. Models that outsiders see are pydantic;
what flows by the thousand is columns (`packet`) decoded by msgspec (`wire`).
"""
