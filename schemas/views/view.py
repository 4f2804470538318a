"""What people query: a statement with a name."""

from dataclasses import dataclass
from datetime import date

from ..bigquery_schema import contract_hash
from ..environment import CloudSettings
from ..table import Dataset
from ..warehouse import dataset_id


@dataclass(frozen=True)
class View:
    """What people query in place of a table that may hold an event twice."""

    name: str
    dataset: Dataset
    description: str
    statement: str
    """Standard SQL. `{dataset}` stands for the setting BIGQUERY_DATASET with its project, `{raw_from}` for a day,
    `{allowed_otherwise}` for what CONSENT_OTHERWISE says."""
    reader: str | None = None
    """Whom it is for, where it is written for people."""
    example: str | None = None
    """A query of it."""

    def text(self, settings: CloudSettings, raw_from: date = date.min) -> str:
        """The statement by these settings; raw rows received before raw_from are known to be in the stable tables."""
        return self.statement.format(
            dataset=dataset_id(settings, Dataset.VIEWS),
            raw_from=raw_from.isoformat(),
            allowed_otherwise=str(settings.allowed_otherwise).upper(),
        )

    def contract(self, settings: CloudSettings) -> str:
        """The value of the view's `contract` label: a short name for exactly this text."""
        return contract_hash([{"description": self.description, "statement": self.text(settings)}])
