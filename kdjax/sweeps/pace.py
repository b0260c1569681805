"""How long a sweep has still to go: from whole runs where there are some, from finished epochs where not."""
from __future__ import annotations

import dataclasses

from kdjax.sweeps.jobs import Job
from kdjax.tables import runs


@dataclasses.dataclass
class Pace:
    """One attempt's progress. had: the share of the epochs that was there when it began; part: the share now;
    at: seconds into the attempt when `part` was reached."""

    had: float
    part: float
    at: float = 0.0

    def seen(self, part: float, seconds: float) -> None:
        """What is known after `seconds` of the attempt."""
        if part > self.part:
            self.part, self.at = part, seconds

    @property
    def whole(self) -> float:
        """Seconds that a whole run takes at this pace; 0 before an epoch of this attempt is over."""
        return self.at / (self.part - self.had) if self.part > self.had else 0.0

    def rest(self, seconds: float, typical: float) -> float:
        """Seconds that are left of the run, `seconds` into the attempt."""
        return max(0.0, (1 - self.part) * (self.whole or typical) - (seconds - self.at))


class Paces:
    """The paces of all attempts of a sweep."""

    def __init__(self):
        self.of: dict[tuple[str, int], Pace] = {}

    def look(self, job: Job, seconds: float) -> Pace:
        """The pace of a running job. The first look, at its start, tells what an earlier attempt had done."""
        part = share(job)
        pace = self.of.setdefault((str(job.folder), job.attempts), Pace(part, part))
        pace.seen(part, seconds)
        return pace

    def left(self, jobs: list[Job], going: list[tuple[Job, float]], places: int) -> float:
        """Seconds until the end with `places` running at a time; conversions are not runs; 0 while nothing tells."""
        took = [job.seconds for job in jobs if job.about and job.state == "finished" and job.seconds]
        paces = [(self.look(job, seconds), seconds) for job, seconds in going]
        guesses = took or [pace.whole for pace, _ in paces if pace.whole]
        if not guesses:
            return 0.0
        typical = sum(guesses) / len(guesses)
        waiting = typical * sum(job.state == "waiting" for job in jobs)
        return (waiting + sum(pace.rest(seconds, typical) for pace, seconds in paces)) / max(1, places)


def share(job: Job) -> float:
    """The share of its epochs that a run has behind it; 0 where nothing is known."""
    if job.config is None:
        return 0.0
    curve = runs.read(job.folder).curve
    return min(1.0, curve[-1][0] / job.config.train.epochs) if curve else 0.0
