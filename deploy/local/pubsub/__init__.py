"""A loopback Pub/Sub: google.pubsub.v1 over gRPC, for the local stack and for tests with the real client.

`python -m deploy.local.pubsub` starts it; `faults` lists what can be broken on demand. What it does not do, and why
it is ours: docs/decisions/0002-our-own-pubsub-emulator.md.
"""
