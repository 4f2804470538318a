"""What the collector answers: results of events become a status and a body."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from shopstream.schemas import Rejected
from shopstream.schemas.http.answers import RETRY_SECONDS, Answer, Json, Refusal, answer_refusal

FORBIDDEN = "forbidden_event_type"
Status = Literal["kept", "ignored", "rejected", "unavailable"]
STATUSES: tuple[str, ...] = get_args(Status)


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one event of a request."""

    status: Status
    """Ignored: nothing is wrong with it, and it is not kept, for consent forbids it or it is no event of ours."""
    event_id: str | None = None
    """Of an event that was kept."""
    reason: str | None = None
    """Why it was rejected: a stable word, one of Reason or FORBIDDEN."""
    detail: str | None = None
    """The same as a sentence for people."""
    field: str | None = None
    """Path of the offending field, where there is one."""

    @classmethod
    def of_rejection(cls, rejection: Rejected) -> "Result":
        """The event is wrong."""
        return cls("rejected", reason=str(rejection.reason), detail=rejection.detail, field=rejection.field)

    def as_json(self) -> Json:
        """Its entry in the answer."""
        if self.status == "kept":
            return {"event_id": self.event_id, "status": self.status}
        if self.status in ("ignored", "unavailable"):
            return {"status": self.status}
        return {"status": self.status, "reason": self.reason, "detail": self.detail, "field": self.field}


def answer_results(results: Sequence[Result], request_id: str) -> Answer:
    """200 where every event was kept or ignored, 207 where only some were.

    Where none was: 503 where another try may help, 403 where the key allowed none, and 422 where all are wrong. These
    errors carry the results in their details.
    """
    counted = {status: sum(result.status == status for result in results) for status in STATUSES}
    listed: list[object] = [result.as_json() for result in results]
    headers = {"Retry-After": str(RETRY_SECONDS)} if counted["unavailable"] else {}
    if taken := counted["kept"] + counted["ignored"]:
        body: Json = {"data": {"results": listed}, "meta": {"request_id": request_id, **counted}}
        return Answer(200 if taken == len(results) else 207, body, headers)
    details: Json = {"results": listed}
    if counted["unavailable"]:
        status, code, message = 503, "unavailable", "the spool takes no events now; send the same again later"
    elif all(result.reason == FORBIDDEN for result in results):
        status, code, message = 403, FORBIDDEN, "this key may not send events of this type"
    else:
        status, code, message = 422, "rejected", "no event was kept; details.results says why for each"
    return answer_refusal(Refusal(status, code, message, details=details, headers=headers))
