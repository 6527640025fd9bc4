"""The rounds of a job: its commands take turns, so that all see the same machine."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from tests.bench.job import Contender
from tests.bench.process import CommandError, Sample, run
from tests.bench.result import Series

Hide = Callable[[str], str]


def measured(
    contenders: Sequence[Contender],
    rounds: int,
    env: Mapping[str, str],
    *,
    settle: Callable[[], None],
    hide: Hide = str,
    tell: Callable[[int], None] = lambda _: None,
) -> tuple[Series, ...]:
    """Run every command once for each round, after a round that does not count.

    The round that does not count is where the memory of all processes is looked at, so that nothing
    but the command runs in those that do. Who begins moves on by one from round to round. Before each
    run all that was written so far is made durable, so that no command waits for another's bytes.

    Args:
        contenders: the commands.
        rounds: how many rounds count.
        env: the variables that each command sees, together with its own.
        settle: makes durable what was written so far.
        hide: takes out of a message what is not to be told.
        tell: is called with the number of a round before it begins.
    """
    found: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    totals: dict[str, float | None] = {}
    reasons: dict[str, str] = {}
    for number in range(rounds + 1):
        tell(number)
        first = number % len(contenders)
        for contender in (*contenders[first:], *contenders[:first]):
            name = contender.name
            if name in reasons or not contender.is_in(number):
                continue
            try:
                turn = contender.turn(number)
                settle()
                variables = {**env, **turn.env}
                sample = run(turn.words, cwd=turn.cwd, env=variables, is_sampled=not number)
            except (CommandError, OSError) as error:
                reasons[name] = hide(str(error))
                continue
            if number:
                found[name].append(sample)
            else:
                totals[name] = sample.total
    return tuple(
        _series(name, samples, totals.get(name), reasons.get(name, ""))
        for name, samples in found.items()
    )


def _series(name: str, samples: Sequence[Sample], total: float | None, reason: str) -> Series:
    if reason or not samples:
        return Series(name, reason=reason or "not run")
    times = tuple(sample.time for sample in samples)
    return Series(name, times, max(sample.peak for sample in samples), total)
