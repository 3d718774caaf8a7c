"""Write tests/unit/history/indicator_reference.json: values of other people's libraries.

Neither library is needed by the product or its tests, and together they are 190 MB, so they are no
development dependency. To make the file again, in an environment of its own:

    python3 -m venv /tmp/reference
    /tmp/reference/bin/pip install TA-Lib==0.8.2 pandas==3.1.1
    /tmp/reference/bin/python scripts/indicator_reference.py
"""

import json
import random
from pathlib import Path

import numpy
import pandas
import talib

OUTPUT = Path(__file__).parent.parent / "tests/unit/history/indicator_reference.json"
SEED = 1978
PERIODS = (2, 5, 14, 20)


def prices() -> list[float]:
    """A walk of steps of a normal distribution, in cents, with a calm stretch and a jump in it."""
    chance = random.Random(SEED)
    walked = [150.0]
    for step in range(1, 120):
        spread = 0.02 if 40 <= step < 60 else 0.4
        jump = 12.0 if step == 80 else 0.0
        walked.append(round(walked[-1] + chance.gauss(0, spread) + jump, 2))
    return walked


def listed(values: "numpy.ndarray[tuple[int], numpy.dtype[numpy.float64]]") -> list[float | None]:
    return [None if numpy.isnan(value) else float(value) for value in values]


def main() -> None:
    given = prices()
    close = numpy.array(given)
    returns = pandas.Series(numpy.log(close)).diff()
    values = {
        "sma": {period: listed(talib.SMA(close, period)) for period in PERIODS},
        "ema": {period: listed(talib.EMA(close, period)) for period in PERIODS},
        "rsi": {period: listed(talib.RSI(close, period)) for period in PERIODS},
        "volatility": {
            period: listed(returns.rolling(period).std(ddof=1).to_numpy()) for period in PERIODS
        },
    }
    made_with = {"TA-Lib": talib.__version__, "pandas": pandas.__version__, "seed": SEED}
    text = json.dumps({"made_with": made_with, "prices": given, "values": values})
    OUTPUT.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
