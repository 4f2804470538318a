"""How a plain protobuf message is annotated.

The server works on the plain classes under google.pubsub_v1's wrappers (`types.Topic.pb()`): they are several
times faster, and protobuf makes them at run time, so no type checker sees their fields.
"""

from typing import Any, TypeAlias

Proto: TypeAlias = Any
"""A message of google.pubsub.v1 or one of protobuf's own."""
