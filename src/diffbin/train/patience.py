"""Early stopping: a run ends when its validation has not become better for a while."""

from dataclasses import dataclass


@dataclass
class Patience:
    """The validations of a run so far; saved with it, so that a resumed run stops where a straight one would."""

    best: float = -1.0  # hmean
    best_step: int = 0
    waited: int = 0  # validations since the best
    judged: int = 0  # step of the last validation

    def judge(self, step: int, hmean: float) -> bool:
        """Takes in a validation; whether it is the best so far. Of equals the first counts."""
        self.judged = step
        if hmean <= self.best:
            self.waited += 1
            return False
        self.best, self.best_step, self.waited = hmean, step, 0
        return True

    def is_over(self, limit: int) -> bool:
        """Whether `limit` validations in a row were no better than the best; with a limit of 0 never."""
        return 0 < limit <= self.waited
