"""How a call ends when it has no result."""

from enum import StrEnum


class Status(StrEnum):
    """The gRPC status codes this server answers with; the value is how a fault label spells one."""

    ALREADY_EXISTS = "already-exists"
    DEADLINE_EXCEEDED = "deadline-exceeded"
    INVALID_ARGUMENT = "invalid-argument"
    NOT_FOUND = "not-found"
    RESOURCE_EXHAUSTED = "resource-exhausted"
    UNAVAILABLE = "unavailable"
    UNIMPLEMENTED = "unimplemented"


class Refusal(Exception):
    """The call changed nothing and ends with `status`; the text names the field or the resource."""

    def __init__(self, status: Status, detail: str) -> None:
        super().__init__(detail)
        self.status = status

    @classmethod
    def invalid(cls, field: str, detail: str) -> "Refusal":
        """INVALID_ARGUMENT that names the field of the request."""
        return cls(Status.INVALID_ARGUMENT, f"{field}: {detail}")

    @classmethod
    def not_found(cls, name: str) -> "Refusal":
        """NOT_FOUND that names the topic or subscription."""
        return cls(Status.NOT_FOUND, f"Resource not found (resource={name}).")
