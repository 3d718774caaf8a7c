"""`stockstream providers`: where real prices come from, and whether they do."""

from cyclopts import App

from stockstream.cli.providers.status import status
from stockstream.cli.providers.trying import try_one

providers = App(
    name="providers",
    help="""See where prices come from, and try a provider.

For example:

- `stockstream providers` asks the server that was started in this directory how each one stands
- `stockstream providers try kraken BTC-USD` connects once, and prints what comes
""",
    help_format="markdown",
)
providers.default(status)
providers.command(try_one, name="try")
