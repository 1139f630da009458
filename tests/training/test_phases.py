"""Pre-training's course: phases, growing batches, steps or hours; and that its state is all there is to go on from."""

from typing import Any

import numpy as np
import pytest

from bertwright.training.course import Lesson
from bertwright.training.phases import ByClock, ByStep, Phase, Phases, epochs_per_step
from bertwright.training.schedule import Schedule


class Numbers:
    """Examples without content."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count


SHORT, LONG = Numbers(100), Numbers(40)


def course(pace: ByStep | ByClock, *, ramp: float = 0.0, ahead: int = 0) -> Phases[Any]:
    phases: list[Phase[Any]] = [Phase(0.9, SHORT, 16), Phase(1.0, LONG, 4)]  # type: ignore[arg-type]
    return Phases(phases, Schedule.create(1.0, int(pace.total), 0.1, "linear"), pace, ramp=ramp, ahead=ahead)


def lessons(some: Phases[Any], start: int = 0, stop: int = 100) -> list[Lesson[Any]]:
    return [some.lesson(step) for step in range(start, stop)]


def test_phases_have_their_shares_and_their_own_examples():
    found = lessons(course(ByStep(100)))
    assert [lesson.examples for lesson in found] == [SHORT] * 90 + [LONG] * 10
    assert np.concatenate([lesson.rows for lesson in found[:90]]).tolist() == list(range(90 * 16))
    assert np.concatenate([lesson.rows for lesson in found[90:]]).tolist() == list(range(40))
    assert found[-1].epoch == pytest.approx(90 * 16 / 100 + 1)


def test_the_rate_is_the_schedules():
    some = course(ByStep(100))
    assert [lesson.learning_rate for lesson in lessons(some)] == [some.schedule.at(step) for step in range(100)]


def test_a_batch_grows_from_an_eighth():
    sizes = [len(lesson.rows) for lesson in lessons(course(ByStep(100), ramp=0.5))]
    assert sizes[0] == 2
    assert sizes[:50] == sorted(sizes[:50])
    assert set(sizes[50:90]) == {16}
    assert set(sizes[90:]) == {4}


def test_what_follows_is_what_comes():
    found = lessons(course(ByStep(100), ahead=2), stop=20)
    for lesson, later, last in zip(found, found[1:], found[2:], strict=False):
        assert [rows.tolist() for rows in lesson.following] == [later.rows.tolist(), last.rows.tolist()]


@pytest.mark.parametrize("stop", [1, 37, 90, 95])
def test_going_on_from_its_state(stop: int):
    expected = lessons(course(ByStep(100), ramp=0.3))
    before, after = course(ByStep(100), ramp=0.3), course(ByStep(100), ramp=0.3)
    lessons(before, stop=stop)
    after.load_state(before.state())
    for found, wanted in zip(lessons(after, stop), expected[stop:], strict=True):
        assert found.rows.tolist() == wanted.rows.tolist()
        assert (found.learning_rate, found.epoch, found.examples) == (
            wanted.learning_rate,
            wanted.epoch,
            wanted.examples,
        )


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_course_of_hours_ends_on_time_whatever_a_step_takes():
    """A machine that becomes ten times slower in the middle: fewer steps, the same end of the rate and the phases."""
    clock = Clock()
    some = course(ByClock(3600, now=clock))
    assert some.total_steps is None
    rates, examples, step = [], [], 0
    while some.progress(step) < 1:
        lesson = some.lesson(step)
        rates.append(lesson.learning_rate)
        examples.append(lesson.examples)
        clock.seconds += 10 if clock.seconds < 2800 else 100
        step += 1
    assert step == 180 + 18
    assert max(rates) > 0.98
    assert rates[-1] < 0.04
    assert examples[0] is SHORT
    assert [example is LONG for example in examples].index(True) == 180 + 15  # at 3,300 of 3,600 seconds


def test_time_that_other_processes_spent_counts():
    clock = Clock()
    before = course(ByClock(3600, now=clock))
    before.lesson(0)
    clock.seconds += 1200
    state = before.state()
    clock.seconds = 5.0  # another process, another clock
    after = course(ByClock(3600, now=clock))
    after.load_state(state)
    assert after.progress(1) == pytest.approx(1 / 3)
    assert after.lesson(1).rows.tolist() == list(range(16, 32))
    clock.seconds += 2400
    assert after.progress(2) == pytest.approx(1)


def test_a_lesson_after_the_end_is_one_of_the_end():
    """A long evaluation may use up the last seconds: what comes then still has a phase and a rate."""
    clock = Clock()
    some = course(ByClock(60, now=clock))
    clock.seconds += 90
    lesson = some.lesson(0)
    assert lesson.examples is LONG
    assert 0 <= lesson.learning_rate < 0.01


def test_a_preview_is_the_lesson_and_uses_nothing_up():
    seen, other = course(ByStep(100), ramp=0.5, ahead=2), course(ByStep(100), ramp=0.5, ahead=2)
    for step in range(100):
        seen.preview(step)
        preview, lesson = seen.preview(step), other.lesson(step)
        assert (preview.rows.tolist(), preview.epoch) == (lesson.rows.tolist(), lesson.epoch)
        assert [rows.tolist() for rows in preview.following] == [rows.tolist() for rows in lesson.following]
        assert seen.used != other.used
        seen.lesson(step)
        assert seen.used == other.used


@pytest.mark.parametrize("ramp", [0.0, 0.5])
def test_epochs_are_what_a_course_comes_to(ramp: float):
    """As many steps as three epochs take pass three times over the data, phases and ramp included."""
    phases: list[Phase[Any]] = [Phase(0.9, SHORT, 16), Phase(1.0, LONG, 4)]  # type: ignore[arg-type]
    steps = round(3 / epochs_per_step(phases, ramp))
    assert lessons(course(ByStep(steps), ramp=ramp), stop=steps)[-1].epoch == pytest.approx(3, rel=0.05)
