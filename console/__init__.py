"""What people and programs see of a running engine: the API, the live events and the page."""
