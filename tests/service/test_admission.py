"""What is held follows from the rate measured, and who is refused is told when to come back."""

from __future__ import annotations

from contextlib import ExitStack

import pytest

from service.admission import FIRST_RATE, LONGEST_RETRY_SECONDS, SHARE, Admission
from service.problems import RefusedError


class Clock:
    """Time that passes when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def work(admission: Admission, clock: Clock, seconds: float, rate: float, images: int = 1) -> None:
    """Requests one after the other, ``rate`` images a second."""
    for _ in range(round(seconds * rate / images)):
        with admission.hold(images):
            clock.now += images / rate


def refusal(admission: Admission, images: int = 1) -> RefusedError:
    with pytest.raises(RefusedError) as refused:
        admission.check(images)
    return refused.value


@pytest.mark.parametrize("rate", [0.5, 10.0, 400.0])
def test_as_much_is_held_as_is_done_in_half_the_deadline(rate: float) -> None:
    clock = Clock()
    admission = Admission(4.0, least=1, clock=clock)
    work(admission, clock, 60, rate)
    assert admission.rate == pytest.approx(rate, rel=0.02)
    assert admission.limit == max(1, int(SHARE * 4.0 * admission.rate))
    with ExitStack() as held:
        for _ in range(admission.limit):
            held.enter_context(admission.hold())
        refused = refusal(admission)
        assert refused.slug == "busy"
        assert str(admission.held) in refused.message
    assert admission.held == 0
    admission.check()


def test_before_anything_was_measured_there_is_a_guess() -> None:
    admission = Admission(2.0, clock=Clock())
    assert admission.rate == FIRST_RATE
    assert admission.limit == 16


def test_idle_time_teaches_nothing() -> None:
    clock = Clock()
    admission = Admission(2.0, clock=clock)
    work(admission, clock, 30, 100.0)
    before = admission.rate
    clock.now += 3600
    assert admission.rate == before


def test_the_rate_follows_what_the_machine_can_do_now() -> None:
    clock = Clock()
    admission = Admission(2.0, clock=clock)
    work(admission, clock, 30, 100.0)
    work(admission, clock, 30, 20.0)
    assert admission.rate == pytest.approx(20.0, rel=0.05)


def test_what_fails_is_not_counted_as_done() -> None:
    clock = Clock()
    admission = Admission(2.0, clock=clock)
    work(admission, clock, 30, 10.0)
    before = admission.rate
    for _ in range(100):
        with pytest.raises(ZeroDivisionError), admission.hold():
            raise ZeroDivisionError
    assert admission.rate == before
    assert admission.held == 0


def test_a_clip_counts_as_its_images_and_an_idle_server_takes_any() -> None:
    clock = Clock()
    admission = Admission(2.0, least=4, clock=clock)
    work(admission, clock, 60, 10.0)
    with admission.hold(500):
        assert admission.held == 500
        assert refusal(admission).slug == "busy"
    with admission.hold():
        assert refusal(admission, images=500).slug == "busy"
        admission.check(5)


def test_the_deadline_is_counted_from_when_it_was_taken() -> None:
    clock = Clock()
    admission = Admission(2.5, clock=clock)
    clock.now += 7
    with admission.hold() as deadline:
        assert deadline == clock.now + 2.5


def test_retry_after_grows_with_those_refused_and_forgets_them() -> None:
    clock = Clock()
    admission = Admission(2.0, clock=clock)
    work(admission, clock, 60, 10.0)
    with admission.hold(10):
        seconds = [refusal(admission).retry_after for _ in range(50)]
        assert seconds[0] == 2  # ten are held and one is refused, at ten a second
        assert seconds == sorted(seconds)
        assert seconds[-1] == 6
        for _ in range(5000):
            last = refusal(admission).retry_after
        assert last == LONGEST_RETRY_SECONDS
    work(admission, clock, 60, 10.0)
    with admission.hold(10):
        assert refusal(admission).retry_after == 2


def test_draining_takes_nothing_and_finishes_what_it_has() -> None:
    admission = Admission(2.0, clock=Clock())
    with admission.hold():
        admission.drain()
        assert admission.draining
        assert admission.held == 1
        assert refusal(admission).slug == "draining"
        with pytest.raises(RefusedError), admission.hold():
            pass
    assert admission.held == 0
    assert refusal(admission).slug == "draining"


def test_an_hour_without_an_answer_leaves_a_rate() -> None:
    """What was measured fades; a refusal still says when to come back."""
    clock = Clock()
    admission = Admission(2.0, clock=clock)
    with ExitStack() as held:
        for _ in range(4):
            held.enter_context(admission.hold())
        for _ in range(100):
            clock.now += 60
            assert refusal(admission).retry_after == LONGEST_RETRY_SECONDS
