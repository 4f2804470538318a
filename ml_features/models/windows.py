"""Which days a model learns from, is calibrated on and judged by: no answer is seen by two of them."""

from dataclasses import dataclass

from shopstream.schemas import SettingsError

MOST_SNAPSHOTS = 6
LEAST_STEP_DAYS = 14
CALIBRATION_DAYS = 14
LEAST_HISTORY_DAYS = 28
"""What must be known before a snapshot, for it to say anything."""


@dataclass(frozen=True)
class Windows:
    """Days of snapshots; what is known before a day is looked at, what follows within the horizon is the answer."""

    horizon: int
    trained: tuple[float, ...]
    """The latest first."""
    calibrated: tuple[float, ...]
    judged: float

    @property
    def trained_to(self) -> float:
        """The day on which the last answer learned from ends."""
        return self.trained[0] + self.horizon

    @property
    def calibrated_to(self) -> float:
        """The day on which the last answer calibrated on ends."""
        return self.calibrated[0] + self.horizon


def windows(judged: float, first: float, horizon: int) -> Windows:
    """The windows before a day that is judged by what follows it within the horizon.

    Calibration takes at least one horizon and about two weeks before it, training up to six snapshots before that, half
    a horizon apart but at least two weeks.

    Args:
        judged: The day.
        first: The day of the first purchase.
        horizon: In days.

    Raises:
        SettingsError: The history is too short.
    """
    calibrated = tuple(judged - horizon * back for back in range(1, max(1, CALIBRATION_DAYS // horizon) + 1))
    step = max(LEAST_STEP_DAYS, horizon // 2)
    latest = calibrated[-1] - horizon
    days = (latest - step * back for back in range(MOST_SNAPSHOTS))
    trained = tuple(day for day in days if day - first >= LEAST_HISTORY_DAYS)
    if not trained:
        needed = judged + horizon - latest + LEAST_HISTORY_DAYS
        raise SettingsError(
            f"the purchases known span {judged + horizon - first:.0f} days; to learn what is bought within {horizon} "
            f"days it takes {needed:.0f}"
        )
    return Windows(horizon, trained, calibrated, judged)
