"""`stockstream mock`: the stub price API alone, in this process."""

from pathlib import Path
from typing import Annotated

from cyclopts import Parameter
from cyclopts.validators import Number

from mockserver.__main__ import main


def mock(
    *,
    port: Annotated[int, Parameter(validator=Number(gte=0, lte=65535))] = 1080,
    host: str = "127.0.0.1",
    expectations: Path | None = None,
    tapes: Path | None = None,
    allowed_hosts: str = "",
    reload: Annotated[bool, Parameter(negative=())] = False,
    strict: Annotated[bool, Parameter(negative=())] = False,
) -> int:
    """Run the stub price API alone, until Ctrl+C.

    It serves WireMock stub mappings. The bundled ones give six stocks with new random prices at
    every call of `/api/stock-prices`; `/__admin` is a page to look inside and to switch faults on.
    It plays what providers push too, at `ws://HOST:PORT/__streams/kraken` and so on.

    Exits with 1 when the port is taken and with 2 when a stub file is broken.

    For example:

    - `stockstream mock --expectations ./stubs --reload` serves your own stubs and loads them again
      when they are saved.
    - `stockstream mock --host 0.0.0.0 --port 8080` answers other machines too.

    Parameters
    ----------
    port
        Port to listen on; 0 takes a free one.
    host
        Address to listen on.
    expectations
        Directory of stub mappings instead of the bundled one.
    tapes
        Directory with a folder of tapes for each provider, instead of the bundled one.
    allowed_hosts
        Host names that `/__admin` answers to, beside `localhost`, this machine's name and all
        addresses; separated by commas, `*` for any.
    reload
        Load a stub file again when it is saved.
    strict
        Refuse stubs with anything that is not supported; else they never match, with a warning.
    """
    arguments = ["--port", str(port), "--host", host]
    if expectations is not None:
        arguments += ["--expectations", str(expectations)]
    if tapes is not None:
        arguments += ["--tapes", str(tapes)]
    if allowed_hosts:
        arguments += ["--allowed-hosts", allowed_hosts]
    if strict:
        arguments.append("--strict")
    if reload:
        arguments.append("--reload")
    return main(arguments)
