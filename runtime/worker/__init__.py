"""The worker of the Kafka deployment: pipelines over the topic `log`, how far they are, and what restarts one that hangs."""
