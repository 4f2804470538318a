"""Is every feature table there, as the contract says, and how fresh is it?"""

from google.api_core import exceptions
from google.cloud import bigquery

from shopstream.schemas import CloudSettings, Unavailable
from shopstream.schemas.warehouse import CONTRACT_LABEL, FEATURES, WarehouseTable, dataset_id

from .warehouse import REQUEST_SECONDS, ask, translated


def findings(client: bigquery.Client, settings: CloudSettings) -> dict[str, str]:
    """Each feature table with `ok` and its latest day, or what is wrong with it."""
    found: dict[str, str] = {}
    for name, table in FEATURES.items():
        try:
            found[name] = _state(client, settings, table)
        except Unavailable as error:
            found[name] = str(error)
    return found


def _state(client: bigquery.Client, settings: CloudSettings, table: WarehouseTable) -> str:
    place = f"{dataset_id(settings, table.table.dataset)}.{table.table.name}"
    with translated():
        try:
            stored = client.get_table(place, timeout=REQUEST_SECONDS, retry=None)
        except exceptions.NotFound:
            return f"{place} is missing; make it with `shopstream-pipeline tables apply`"
    if stored.labels.get(CONTRACT_LABEL) != table.contract:
        return f"{place} was made from another contract"
    latest = ask(client, settings, f"SELECT MAX({table.table.partition_by}) AS latest FROM `{place}`")  # noqa: S608
    return f"ok, latest {latest[0]['latest'] or 'none'}"
