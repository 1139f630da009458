"""Whether the model is as sure as it is right: the reliability diagram (Guo et al. 2017)."""

from bertwright.evaluation.html import Html, tag, together
from bertwright.evaluation.report.numbers import shown, whole
from bertwright.evaluation.report.parts import CHART, charts, more, table
from bertwright.evaluation.report.record import RunRecord
from bertwright.evaluation.report.words import Words
from bertwright.evaluation.svg import Bar, Chart, Curve
from bertwright.tasks.calibration import BINS

_ENDS = (0.0, 1.0)


def calibration(record: RunRecord, words: Words) -> Html | None:
    """How right the answers are that are given with like probability, and how many these are."""
    found = record.details.get("calibration")
    if not found or not found["bins"]:
        return None
    bins = found["bins"]
    points = [(part["confidence"], part["accuracy"]) for part in bins]
    bars = [Bar(part["up_to"] - 1 / BINS, part["up_to"], part["rows"]) for part in bins]
    drawn = [
        Chart(
            words("reliability"),
            words("confidence"),
            words("accuracy"),
            curves=[Curve(words("this_model"), points, 1)],
            diagonal=words("as_sure_as_right"),
            x_ends=_ENDS,
            y_ends=_ENDS,
            size=CHART,
        ),
        Chart(words("how_sure"), words("confidence"), words("answer_count"), bars=bars, x_ends=_ENDS, size=CHART),
    ]
    head = [words("confidence_up_to"), words("answer_count"), words("mean_confidence"), words("accuracy")]
    rows = (
        [shown(part["up_to"]), whole(part["rows"]), shown(part["confidence"]), shown(part["accuracy"])] for part in bins
    )
    fitted = found.get("temperature", 1)  # 1 where none was chosen, and none in a task that has none
    return together(
        tag("p", words("calibration_is", ece=shown(found["ece"]))),
        tag("p", words("temperature_is", temperature=shown(fitted))) if fitted != 1 else None,
        charts(drawn),
        more(words("numbers"), table(words("reliability"), head, rows, numbers=range(4))),
    )
