"""A study as plain values, for `run/study.json` and whoever reads it."""

from collections.abc import Callable, Mapping
from typing import Any

from bertwright.settings.search_space import Space
from bertwright.tuning.study import SharedStudy, importances

STATES = {"COMPLETE": "complete", "PRUNED": "pruned", "FAIL": "failed"}


def study_record(
    study: SharedStudy, space: Space, metric: str, command: Callable[[Mapping[str, Any], int], str]
) -> dict[str, Any]:
    """What a study tried and found.

    Args:
        study: The study.
        space: What was searched.
        metric: The figure that was searched for, on the validation set.
        command: The words of a trial by hand, from its parameters and its number.

    Returns:
        `metric`, `direction` (`maximize`, `minimize`), `space`; `trials` that are done, in their order, each with
        `number`, `state` (`complete`, `pruned`, `failed`), `value`, `parameters`, `command`, `seconds`, `error`, and
        its figures on the way as `intermediate`, by tenth of an epoch; `best`, the number of one, or None;
        `importances` by name; `lost`, how many trials died with their workers and were done again.
    """
    trials = [
        {
            "number": trial.number,
            "state": STATES[trial.state.name],
            "value": trial.value if trial.state.name == "COMPLETE" else None,
            "parameters": dict(trial.params),
            "command": command(trial.params, trial.number),
            "seconds": trial.user_attrs.get("seconds"),
            "error": trial.user_attrs.get("error"),
            "intermediate": {str(place): value for place, value in sorted(trial.intermediate_values.items())},
        }
        for trial in study.settled()
    ]
    best = study.best()
    return {
        "metric": metric,
        "direction": study.study.direction.name.lower(),
        "space": {name: choice.to_dict() for name, choice in space.items()},
        "trials": trials,
        "best": None if best is None else best.number,
        "importances": importances(study.study),
        "lost": study.lost(),
    }
