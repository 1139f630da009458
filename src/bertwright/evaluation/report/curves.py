"""How the training went: loss, the figure by which the best model was chosen, learning rate, length of the gradient."""

from bertwright.evaluation.curves import thinned
from bertwright.evaluation.html import Html, tag, together
from bertwright.evaluation.report.numbers import duration, small, whole
from bertwright.evaluation.report.parts import CHART, charts, more, table
from bertwright.evaluation.report.record import RunRecord, Values
from bertwright.evaluation.report.words import Words
from bertwright.evaluation.svg import Chart, Curve

_MOST = 60  # rows of the table


def curves(record: RunRecord, words: Words) -> Html | None:
    """The charts; nothing where the log has no line of training."""
    training = [line for line in record.log if "learning_rate" in line]
    held_out = [line for line in record.log if "split" in line]
    if not training:
        return None
    best = _best_figure(record, held_out)
    drawn = [
        _chart(words, words("loss"), "loss", training, held_out),
        _chart(words, best, best, [], held_out) if held_out and best != "loss" else None,
        _chart(words, words("learning_rate"), "learning_rate", training, []),
        _chart(words, words("grad_norm"), "grad_norm", training, []),
    ]
    return together(
        tag("p", _summary(record, words, training[-1])),
        charts(chart for chart in drawn if chart is not None),
        more(words("numbers"), _evaluations(words, held_out, best)) if held_out else None,
    )


def _best_figure(record: RunRecord, held_out: list[Values]) -> str:
    """The figure by which the best model was chosen, as far as the log has it."""
    wanted = [record.metrics.get("best_metric"), *record.main_figures]
    known = held_out[-1] if held_out else {}
    return next((str(name) for name in wanted if name in known), "loss")


def _chart(words: Words, title: str, figure: str, training: list[Values], held_out: list[Values]) -> Chart | None:
    end = max(line["step"] for line in [*training, *held_out])
    both = [(words("in_training"), training), (words("split_validation"), held_out)]
    points = [[(line["step"], line[figure]) for line in lines if figure in line] for _, lines in both]
    drawn = [
        Curve(name, thinned(found), color)
        for color, ((name, _), found) in enumerate(zip(both, points, strict=True))
        if found
    ]
    return Chart(title[:40], words("steps"), "", curves=drawn, x_ends=(0, end), size=CHART) if drawn else None


def _summary(record: RunRecord, words: Words, last: Values) -> str:
    return words(
        "training_took",
        steps=whole(last["step"]),
        epochs=f"{last['epoch']:.2f}",
        time=duration(last["seconds"]),
        best=whole(record.metrics.get("best_step", last["step"])),
    )


def _evaluations(words: Words, held_out: list[Values], best: str) -> Html:
    """What each evaluation gave; of very many some, evenly."""
    step = -(-len(held_out) // _MOST)
    names = list(dict.fromkeys(["loss", best]))
    rows = ([whole(line["step"]), *(small(line[name]) for name in names)] for line in held_out[::step])
    return table(words("split_validation"), [words("steps"), *names], rows, numbers=range(3))
