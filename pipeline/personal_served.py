"""What is served of a user from Redis, found and taken out."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import redis

from shopstream.schemas import Unavailable
from shopstream.schemas.serving.keys import Keys, Publication, decision_value
from shopstream.schemas.serving.scripts import DECIDE
from shopstream.schemas.serving.views import SERVED
from shopstream.schemas.table import PURPOSES

from .options import PipelineSettings
from .serve_live import connect_to_redis


def erase_served(settings: PipelineSettings, user_id: str, now: datetime) -> tuple[int, int]:
    """Remove what is served of a user, and let nothing of the user be served that is being published.

    The refusal that stands for it goes three days later. How many values were found, and how many are left.

    Raises:
        Unavailable: Redis does not answer.
    """
    keys = Keys(settings.redis_prefix)
    try:
        with connect_to_redis(settings) as client:
            for purpose in PURPOSES:
                decided = decision_value(now, now, granted=False)
                names = [keys.consent(purpose), keys.consent_changes]
                client.register_script(DECIDE)(keys=names, args=[user_id, decided])
            places = [begins + user_id for begins in _beginnings(client, keys)]
            found = client.exists(*places) if places else 0
            left = client.exists(*places) if found and client.unlink(*places) else 0
    except (redis.RedisError, OSError) as error:
        raise Unavailable(f"Redis does not answer: {type(error).__name__}") from error
    return int(found), int(left)


def _beginnings(client: Any, keys: Keys) -> Iterator[str]:  # noqa: ANN401 - its answers have too many types
    published: dict[bytes, bytes] = client.hgetall(keys.published)
    for view in SERVED:
        if view.key == "user_id" and (packed := published.get(view.name.encode())):
            for version in Publication.read(packed).versions:
                yield keys.rows(view.name, version)
