"""What serves and feeds the page of the console, and tells health and metrics of every program."""
