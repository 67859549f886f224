"""Around the dispatcher: its channels and thread, receipts, retries, and what is owed to the log where one fails."""
