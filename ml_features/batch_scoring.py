"""Scoring as a Beam batch, for shops whose users are too many for one machine: the same rows, on any runner.

Every worker holds the histories, for a user's neighbours may be anybody; the users are divided among them.
"""

import shlex
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from io import BytesIO
from typing import Any, Self

import apache_beam as beam
import numpy as np
import orjson
from apache_beam.io.filesystems import FileSystems
from apache_beam.ml.inference.base import ModelHandler, RunInference
from apache_beam.options.pipeline_options import PipelineOptions

from .model_reorders import rows_of_block
from .models.artefact import Artefact, from_bytes
from .models.boosting import Block, Crossing
from .models.histories import Histories, moments_on
from .models.model_tier import score
from .settings import FeatureSettings
from .warehouse import Row


@dataclass(frozen=True)
class Scorer:
    """A model, the histories it scores, and their users crossed with their neighbours."""

    artefact: Artefact
    histories: Histories
    crossing: Crossing

    @classmethod
    def of(cls, artefact: Artefact, histories: Histories) -> Self:
        """Of everybody known."""
        now = moments_on(histories, 0.0)
        return cls(artefact, histories, Crossing(histories, now, now))


class ReorderModel(ModelHandler[Block, bytes, Scorer]):  # type: ignore[misc]
    """Loads a Scorer from two files on each worker; a block of users becomes NDJSON."""

    def __init__(self, directory: str, as_of: date, most: int) -> None:
        super().__init__()
        self._directory, self._as_of, self._most = directory, as_of, most

    def load_model(self) -> Scorer:
        """The model and the histories."""
        with FileSystems.open(FileSystems.join(self._directory, "model.json")) as file:
            artefact = from_bytes(file.read())
        with FileSystems.open(FileSystems.join(self._directory, "histories.npz")) as file:
            arrays = np.load(BytesIO(file.read()))
            return Scorer.of(artefact, Histories(**{name: arrays[name] for name in arrays.files}))

    def run_inference(
        self, batch: Sequence[Block], model: Scorer, inference_args: dict[str, Any] | None = None
    ) -> Iterator[bytes]:
        """The rows of each block."""
        del inference_args
        for block in batch:
            scored = score(model.artefact, *model.crossing.inputs(block), most=self._most)
            rows = rows_of_block(scored, model.histories, self._as_of, model.artefact.version)
            yield b"\n".join(orjson.dumps(row) for row in rows)

    def batch_elements_kwargs(self) -> dict[str, int]:
        """A block is work enough for one call."""
        return {"min_batch_size": 1, "max_batch_size": 1}


def score_in_batch(
    settings: FeatureSettings, artefact: Artefact, histories: Histories, as_of: date
) -> Iterator[list[Row]]:
    """The rows of model_reorders, a file at a time, scored by a pipeline with SCORING_BEAM_OPTIONS.

    What the workers read and write lies below SCORING_DIRECTORY and is deleted afterwards.
    """
    base = settings.scoring_directory or tempfile.gettempdir()
    directory = FileSystems.join(base, f"shopstream-scoring-{as_of}-{artefact.version}")
    if FileSystems.exists(directory):  # of a job that was killed
        _delete(directory)
    FileSystems.mkdirs(directory)
    try:
        _write(FileSystems.join(directory, "model.json"), artefact.to_bytes())
        arrays = BytesIO()
        # As fixed-width text: objects would need pickle.
        texts = {name: getattr(histories, name).astype(str) for name in ("user_ids", "product_ids")}
        np.savez(arrays, **{**vars(histories), **texts})
        _write(FileSystems.join(directory, "histories.npz"), arrays.getvalue())
        handler = ReorderModel(directory, as_of, settings.model_reorders_most)
        options = PipelineOptions(shlex.split(settings.scoring_beam_options or ""))
        with beam.Pipeline(options=options) as pipeline:
            (
                pipeline
                | "Users" >> beam.Create(Scorer.of(artefact, histories).crossing.blocks())
                | "Spread" >> beam.Reshuffle()
                | "Score" >> RunInference(handler)
                | "Write" >> beam.io.WriteToText(FileSystems.join(directory, "rows"), coder=beam.coders.BytesCoder())
            )
        for metadata in FileSystems.match([FileSystems.join(directory, "rows*")])[0].metadata_list:
            with FileSystems.open(metadata.path) as file:
                yield [orjson.loads(line) for line in file if line.strip()]
    finally:
        _delete(directory)


def _delete(directory: str) -> None:
    # A bucket knows no directories: there the name ends in a slash and means what is below.
    FileSystems.delete([directory + "/" if "://" in directory else directory])


def _write(path: str, content: bytes) -> None:
    with FileSystems.create(path) as file:
        file.write(content)
