"""PromQL of our metrics. The variables of a dashboard stand in them: `$node`, `$provider`."""

from __future__ import annotations

NODE = 'instance=~"$node"'
PROVIDER = 'upstream=~"$provider"'


def of(name: str, *matchers: str) -> str:
    """The series of a family, of the nodes that are looked at."""
    return f"{name}{{{', '.join((NODE, *matchers))}}}"


def rate(name: str, *matchers: str) -> str:
    """How much a counter rises in a second."""
    return f"rate({of(name, *matchers)}[$__rate_interval])"


def increase(name: str, *matchers: str) -> str:
    """How much a counter has risen in the time that is looked at."""
    return f"increase({of(name, *matchers)}[$__range])"


def total(expression: str, *by: str) -> str:
    """The sum, or one for each value of the labels."""
    return f"sum by ({', '.join(by)}) ({expression})" if by else f"sum({expression})"


def highest(expression: str, *by: str) -> str:
    """The highest, or one for each value of the labels."""
    return f"max by ({', '.join(by)}) ({expression})" if by else f"max({expression})"


def quantile(share: float, histogram: str, *by: str) -> str:
    """What that share of a histogram's values are below."""
    rates = total(rate(f"{histogram}_bucket", *_chosen(by)), "le", *by)
    return f"histogram_quantile({share}, {rates})"


def mean(histogram: str, *by: str) -> str:
    """The mean of a histogram's values."""
    return f"{total(rate(f'{histogram}_sum'), *by)} / {total(rate(f'{histogram}_count'), *by)}"


def numbered(name: str, states: tuple[str, ...], *by: str) -> str:
    """A family of states as one number each: the place in `states` of that which is 1."""
    chosen = _chosen(by)
    each = [
        f"{place} * " + of(name, f'state="{state}"', *chosen) for place, state in enumerate(states)
    ]
    return highest(" or ".join(each), *by)


def _chosen(by: tuple[str, ...]) -> tuple[str, ...]:
    return (PROVIDER,) if "upstream" in by else ()
