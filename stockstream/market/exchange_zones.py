"""The time zone of an exchange and its calendar, by the codes that providers write. Pure.

Known are the market identifier codes of ISO 10383, and the short names that large providers use.
Small letters, blanks and signs make no difference. A symbol may name its exchange itself, in front
(`LSE:VOD`) or behind (`VOD.L`); that counts only where the provider tells none. One letter behind a
dot is mostly a class of shares (`BRK.B`), so only two of these are known.

A code that is not here gets `UNKNOWN`. So does crypto, which never closes: its day is the UTC day.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

UNKNOWN = "UTC"
NEVER_CLOSES = "24/7"


class Market(NamedTuple):
    """The IANA `zone` whose midnight begins the day, and the name of the `calendar` in
    `calendars.json`: None where an exchange is known and its hours are not.
    """

    zone: str
    calendar: str | None


_ANY = Market(UNKNOWN, NEVER_CLOSES)

# A zone, a calendar, the codes of `exchange`, and what stands behind the dot of a symbol.
_MARKETS = (
    (
        "America/New_York",
        "XNYS",
        (
            "NASDAQ NASDAQGS NASDAQGM NASDAQCM NASDAQNMS NASDAQGLOBALSELECT NASDAQGLOBALMARKET "
            "NASDAQCAPITALMARKET XNAS XNGS XNMS XNCM NMS NGM NCM NIM NAS "
            "NYSE NEWYORKSTOCKEXCHANGE XNYS NYQ NYS NYSEARCA ARCA ARCX PCX NYSEAMERICAN NYSEMKT "
            "AMEX XASE ASE ASQ "
            "BATS BZX BTS XBZX CBOE CBOEBZX BATY EDGX EDGA IEX IEXG XIEX US USA "
            "OTC OTCM OTCMKTS OTCQB OTCQX OTCPINK PINK PINX PNK OOTC XOTC OTCBB OQB OQX OEM"
        ),
        "US",
    ),
    ("America/Chicago", None, "CME XCME CBOT CBT XCBT CBOEOPTIONS XCBO", ""),
    (
        "America/Toronto",
        "XTSE",
        "TSX TORONTOSTOCKEXCHANGE TOR XTSE TSXV XTSX VAN CVE CNSX CSE XCNQ CNQ NEO NEOE NEX AQL",
        "TO CN NE",
    ),
    ("America/Mexico_City", "XMEX", "BMV XMEX MEX", "MX"),
    ("America/Sao_Paulo", "BVMF", "B3 BOVESPA BVMF SAO", "SA"),
    ("America/Argentina/Buenos_Aires", "XBUE", "BCBA XBUE BUE", "BA"),
    ("America/Santiago", "XSGO", "XSGO SGO", "SN"),
    ("America/Bogota", "XBOG", "BVC XBOG", ""),
    ("America/Lima", "XLIM", "BVL XLIM", "LM"),
    ("Europe/London", "XLON", "LSE LONDONSTOCKEXCHANGE XLON LON IOB LSEAIM AIMX", "L IL UK"),
    ("Europe/Dublin", "XDUB", "XDUB ISEQ EURONEXTDUBLIN", "IR"),
    ("Europe/Paris", "XPAR", "XPAR PAR EPA EURONEXTPARIS EURONEXT", "PA"),
    ("Europe/Amsterdam", "XAMS", "XAMS AMS AEX EURONEXTAMSTERDAM", "AS"),
    ("Europe/Brussels", "XBRU", "XBRU BRU EBR EURONEXTBRUSSELS", "BR"),
    ("Europe/Lisbon", "XLIS", "XLIS LIS ELI EURONEXTLISBON", "LS"),
    ("Europe/Oslo", "XOSL", "XOSL OSL OSLO", "OL"),
    ("Europe/Berlin", "XETR", "XETRA XETR ETR GER", "DE"),
    ("Europe/Berlin", "XFRA", "FWB XFRA FRA FRANKFURT", ""),
    ("Europe/Berlin", "XHAM", "XHAM HAM", "HM"),
    ("Europe/Berlin", "XDUS", "XDUS DUS", "DU"),
    (
        "Europe/Berlin",
        None,
        "TRADEGATE XGAT GETTEX XMUN MUN XSTU STU STUTTGART XBER BER XHAN HAN",
        "MU BE HA",
    ),
    ("Europe/Vienna", "XWBO", "XWBO WBAG VIE", "VI"),
    ("Europe/Zurich", "XSWX", "SIX XSWX SWX EBS XVTX VTX", "SW"),
    ("Europe/Rome", "XMIL", "XMIL MIL BIT MTA BORSAITALIANA", "MI"),
    ("Europe/Madrid", "XMAD", "BME XMAD MCE", "MC"),
    ("Europe/Stockholm", "XSTO", "OMX OMXSTO XSTO STO", "ST"),
    ("Europe/Copenhagen", "XCSE", "OMXCOP XCSE CPH", "CO"),
    ("Europe/Helsinki", "XHEL", "OMXHEX XHEL HEL", "HE"),
    ("Atlantic/Reykjavik", "XICE", "OMXICE XICE", "IC"),
    ("Europe/Warsaw", "XWAR", "GPW XWAR WSE WAR", "WA"),
    ("Europe/Prague", "XPRA", "XPRA PRA", ""),
    ("Europe/Budapest", "XBUD", "XBUD BUD", "BD"),
    ("Europe/Athens", "ASEX", "XATH ATH ATHEX", "AT"),
    ("Europe/Istanbul", "XIST", "BIST XIST IST", "IS"),
    ("Europe/Moscow", "XMOS", "MOEX MISX MCX", "ME"),
    ("Asia/Jerusalem", "XTAE", "TASE XTAE TLV", "TA"),
    ("Asia/Riyadh", "XSAU", "TADAWUL XSAU SAU", "SR"),
    ("Asia/Qatar", None, "DSMD DSM QSE", "QA"),
    ("Asia/Dubai", None, "DFM XDFM ADX XADS", "AE"),
    ("Africa/Johannesburg", "XJSE", "JSE XJSE JNB", "JO"),
    ("Africa/Cairo", None, "EGX XCAI CAI", ""),
    ("Asia/Kolkata", "XBOM", "NSE XNSE NSI BSE XBOM BOM", "NS BO"),
    ("Asia/Shanghai", "XSHG", "SSE XSHG SHH SHA SHSE SZSE XSHE SHZ SHE", "SS SZ"),
    ("Asia/Hong_Kong", "XHKG", "HKEX HONGKONGSTOCKEXCHANGE XHKG HKG HKSE SEHK", "HK"),
    ("Asia/Taipei", "XTAI", "TWSE XTAI TAI TPE TPEX ROCO TWO", "TW TWO"),
    ("Asia/Tokyo", "XTKS", "TSE TOKYOSTOCKEXCHANGE JPX XTKS XJPX TYO TOKYO", "T JP"),
    ("Asia/Tokyo", None, "XNGO XSAP XFKA", ""),
    ("Asia/Seoul", "XKRX", "KRX XKRX KOSPI KSC KOSDAQ XKOS KOE", "KS KQ"),
    ("Asia/Singapore", "XSES", "SGX XSES SES", "SI"),
    ("Asia/Kuala_Lumpur", "XKLS", "MYX XKLS KLS KLSE", "KL"),
    ("Asia/Bangkok", "XBKK", "SET XBKK", "BK"),
    ("Asia/Jakarta", "XIDX", "IDX XIDX JKT", "JK"),
    ("Asia/Manila", "XPHS", "PSEI XPHS PHS", "PS"),
    ("Asia/Ho_Chi_Minh", None, "HOSE XSTC VSE", "VN"),
    ("Australia/Sydney", "XASX", "ASX XASX CXA CHIA", "AX XA"),
    ("Pacific/Auckland", "XNZE", "NZX XNZE NZE", "NZ"),
)
_BY_CODE = {
    code: Market(zone, calendar) for zone, calendar, codes, _ in _MARKETS for code in codes.split()
}
_BY_SUFFIX = {
    suffix: Market(zone, calendar)
    for zone, calendar, _, suffixes in _MARKETS
    for suffix in suffixes.split()
}
ZONES = frozenset({UNKNOWN, *(zone for zone, *_ in _MARKETS)})
CALENDARS = {calendar: zone for zone, calendar, *_ in _MARKETS if calendar is not None}
"""The calendars that are wanted, each with its zone."""
_NOT_IN_A_CODE = re.compile(r"[^A-Z0-9]+")


@lru_cache(maxsize=16_384)
def market_of(exchange: str | None, symbol: str) -> Market:
    """Where a symbol is traded; that of a market that never closes, if nobody says where."""
    if exchange is not None:
        return _BY_CODE.get(_NOT_IN_A_CODE.sub("", exchange.upper()), _ANY)
    prefix, _, rest = symbol.rpartition(":")
    _, dot, suffix = rest.rpartition(".")
    return _BY_CODE.get(prefix) or (_BY_SUFFIX.get(suffix) if dot else None) or _ANY


def zone_of(exchange: str | None, symbol: str) -> str:
    """The IANA name of the zone whose midnight begins the symbol's day; else `UNKNOWN`."""
    return market_of(exchange, symbol).zone
