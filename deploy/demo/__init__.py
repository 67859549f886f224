"""`make demo-kafka`: the demonstration on Kafka, Mosquitto and PostgreSQL of its own, with every program a process."""
