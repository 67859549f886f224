"""The relay: the edge's half of the application acknowledgement.

    devices ─MQTT, HTTP─▶ taking ─▶ relay.db ─▶ forwarding ─MQTT─▶ the engine's broker ─▶ log
                             numbering   ▲                                                  │
                                         └──────── forget what is durable ◀── acks/<station>┘

What a device was told is taken is on this disk, and stays there until the engine says that it is in its log.
"""
