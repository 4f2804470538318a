"""What an event may say of a person, decided before it touches a disk: consent first, then opaque ids only."""

from datetime import datetime

from .consent import Consents, WithoutConsent
from .counters import Counter, Counts
from .fields import Fields
from .user_ids import UserIds, is_plainly_opaque

OF_THE_SHOP = ("product",)
"""Event types that are about nobody: consent does not hold them back, and no context makes them somebody's."""


class Privacy:
    """Consent and opaque ids, for every event of a process. docs/privacy.md says what is promised."""

    def __init__(
        self, consents: Consents, user_ids: UserIds, counts: Counts, *, without_consent: WithoutConsent
    ) -> None:
        self._consents, self._user_ids, self._counts = consents, user_ids, counts
        self._drops = without_consent is WithoutConsent.DROP

    def apply(self, fields: Fields, stated: bool | None) -> bool:
        """Take out of the fields what they may not say; False where nothing of the event may be kept.

        `stated` is what the request's context says of the consent to analytics. The fields need not be valid. Ids
        that are no text are left to the contract.

        Raises:
            Rejected: In strict mode only: an id looks like an address or a phone number. It is taken out before.
        """
        user_id, session_id = fields.get("user_id"), fields.get("session_id")
        if user_id is None and session_id is None and stated is not False:
            return True
        event_type = fields.get("event_type")
        if event_type != "consent" and not self._consents.allows(user_id if isinstance(user_id, str) else None, stated):
            if self._drops and event_type not in OF_THE_SHOP:
                self._counts.add(Counter.DROPPED_CONSENT)
                return False
            if user_id is not None or session_id is not None:
                self._counts.add(Counter.ANONYMISED)
                fields["user_id"] = fields["session_id"] = None
            return True
        for name, given in (("user_id", user_id), ("session_id", session_id)):
            if isinstance(given, str) and not is_plainly_opaque(given):
                self._look_closer(fields, name, given)
        return True

    def hear(self, user_id: str, purpose: str, granted: bool, occurred_at: datetime) -> None:
        """A consent event passes; `user_id` is as the service gives it, not what is kept of it."""
        self._consents.note(user_id, purpose, granted, occurred_at)

    def _look_closer(self, fields: Fields, name: str, given: str) -> None:
        fields[name] = None  # Should it be refused, what is kept of the event does not hold it.
        fields[name] = kept = self._user_ids.kept(given, name)
        if kept is not given:
            self._counts.add(Counter.USER_IDS_REPLACED)
