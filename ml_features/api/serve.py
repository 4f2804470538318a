"""The serving API as its settings say, with what it must close at the end."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from random import Random

from fastapi import FastAPI

from shopstream.schemas.http.rate_limit import RateLimits
from shopstream.schemas.warehouse import DECISIONS, LOOKUPS

from ..clock import SYSTEM_CLOCK, Clock
from ..decisions.recommender import Recommender
from ..reader import AsyncFeatures
from ..serving.store import AsyncFeatureStore, FeatureStore, patient_store
from ..settings import FeatureSettings
from ..warehouse import connect
from .app import ServingApi
from .desk import Desk
from .keys import KeyRing
from .metrics import Metrics
from .settings import ApiSettings
from .table_writer import TableWriter

WORKERS = 8
"""Requests that wait for the warehouse at a time; more wait for a thread."""


@contextmanager
def serving_app(
    settings: FeatureSettings, api: ApiSettings, random: Random, clock: Clock = SYSTEM_CLOCK
) -> Iterator[FastAPI]:
    """The application; what it looked up is kept, and its connections given back, at the end.

    Raises:
        SettingsError: There is no key, or one is wrong.
    """
    keys = KeyRing(api, clock.now, clock.monotonic)
    client = connect(settings)
    with ExitStack() as stack:
        audit = TableWriter(client, settings, LOOKUPS) if api.audit_enabled else None
        decisions = TableWriter(client, settings, DECISIONS) if settings.decisions_kept else None
        writers = [writer for writer in (audit, decisions) if writer is not None]
        for writer in writers:
            stack.callback(writer.close)
        worker = ThreadPoolExecutor(WORKERS, "shopstream-api")
        stack.callback(worker.shutdown, wait=False, cancel_futures=True)
        store = AsyncFeatureStore(client, settings, clock)
        desk = Desk(
            settings=settings,
            api=api,
            keys=keys,
            limits=RateLimits("requests", api.requests_per_second, api.burst_requests, clock.monotonic),
            store=store,
            patient_store=stack.enter_context(patient_store(client, settings)),
            features=AsyncFeatures(store, settings),
            recommender=Recommender(
                stack.enter_context(FeatureStore(client, settings, clock)),
                settings,
                None if decisions is None else decisions.note,
            ),
            client=client,
            audit=audit,
            metrics=Metrics(writers),
            clock=clock,
            worker=worker,
        )
        yield ServingApi(desk, lambda: f"{random.getrandbits(128):032x}")
