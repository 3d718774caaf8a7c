"""The time zone of an exchange, by the codes that providers write. Pure.

Known are the market identifier codes of ISO 10383, and the short names that large providers use.
Small letters, blanks and signs make no difference. A symbol may name its exchange itself, in front
(`LSE:VOD`) or behind (`VOD.L`); that counts only where the provider tells none. One letter behind a
dot is mostly a class of shares (`BRK.B`), so only two of these are known.

A code that is not here gets `UNKNOWN`. So does crypto, which never closes: its day is the UTC day.
"""

from __future__ import annotations

import re
from functools import lru_cache

UNKNOWN = "UTC"

# By zone: first the codes of `exchange`, then what stands behind the dot of a symbol.
_ZONES = {
    "America/New_York": (
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
    "America/Chicago": ("CME XCME CBOT CBT XCBT CBOEOPTIONS XCBO", ""),
    "America/Toronto": (
        "TSX TORONTOSTOCKEXCHANGE TOR XTSE TSXV XTSX VAN CVE CNSX CSE XCNQ CNQ NEO NEOE NEX AQL",
        "TO CN NE",
    ),
    "America/Mexico_City": ("BMV XMEX MEX", "MX"),
    "America/Sao_Paulo": ("B3 BOVESPA BVMF SAO", "SA"),
    "America/Argentina/Buenos_Aires": ("BCBA XBUE BUE", "BA"),
    "America/Santiago": ("XSGO SGO", "SN"),
    "America/Bogota": ("BVC XBOG", ""),
    "America/Lima": ("BVL XLIM", "LM"),
    "Europe/London": ("LSE LONDONSTOCKEXCHANGE XLON LON IOB LSEAIM AIMX", "L IL UK"),
    "Europe/Dublin": ("XDUB ISEQ EURONEXTDUBLIN", "IR"),
    "Europe/Paris": ("XPAR PAR EPA EURONEXTPARIS EURONEXT", "PA"),
    "Europe/Amsterdam": ("XAMS AMS AEX EURONEXTAMSTERDAM", "AS"),
    "Europe/Brussels": ("XBRU BRU EBR EURONEXTBRUSSELS", "BR"),
    "Europe/Lisbon": ("XLIS LIS ELI EURONEXTLISBON", "LS"),
    "Europe/Oslo": ("XOSL OSL OSLO", "OL"),
    "Europe/Berlin": (
        (
            "XETRA XETR ETR GER FWB XFRA FRA FRANKFURT TRADEGATE XGAT GETTEX XMUN MUN "
            "XSTU STU STUTTGART XDUS DUS XHAM HAM XBER BER XHAN HAN"
        ),
        "DE MU DU HM BE HA",
    ),
    "Europe/Vienna": ("XWBO WBAG VIE", "VI"),
    "Europe/Zurich": ("SIX XSWX SWX EBS XVTX VTX", "SW"),
    "Europe/Rome": ("XMIL MIL BIT MTA BORSAITALIANA", "MI"),
    "Europe/Madrid": ("BME XMAD MCE", "MC"),
    "Europe/Stockholm": ("OMX OMXSTO XSTO STO", "ST"),
    "Europe/Copenhagen": ("OMXCOP XCSE CPH", "CO"),
    "Europe/Helsinki": ("OMXHEX XHEL HEL", "HE"),
    "Atlantic/Reykjavik": ("OMXICE XICE", "IC"),
    "Europe/Warsaw": ("GPW XWAR WSE WAR", "WA"),
    "Europe/Prague": ("XPRA PRA", ""),
    "Europe/Budapest": ("XBUD BUD", "BD"),
    "Europe/Athens": ("XATH ATH ATHEX", "AT"),
    "Europe/Istanbul": ("BIST XIST IST", "IS"),
    "Europe/Moscow": ("MOEX MISX MCX", "ME"),
    "Asia/Jerusalem": ("TASE XTAE TLV", "TA"),
    "Asia/Riyadh": ("TADAWUL XSAU SAU", "SR"),
    "Asia/Qatar": ("DSMD DSM QSE", "QA"),
    "Asia/Dubai": ("DFM XDFM ADX XADS", "AE"),
    "Africa/Johannesburg": ("JSE XJSE JNB", "JO"),
    "Africa/Cairo": ("EGX XCAI CAI", ""),
    "Asia/Kolkata": ("NSE XNSE NSI BSE XBOM BOM", "NS BO"),
    "Asia/Shanghai": ("SSE XSHG SHH SHA SHSE SZSE XSHE SHZ SHE", "SS SZ"),
    "Asia/Hong_Kong": ("HKEX HONGKONGSTOCKEXCHANGE XHKG HKG HKSE SEHK", "HK"),
    "Asia/Taipei": ("TWSE XTAI TAI TPE TPEX ROCO TWO", "TW TWO"),
    "Asia/Tokyo": ("TSE TOKYOSTOCKEXCHANGE JPX XTKS XJPX TYO TOKYO XNGO XSAP XFKA", "T JP"),
    "Asia/Seoul": ("KRX XKRX KOSPI KSC KOSDAQ XKOS KOE", "KS KQ"),
    "Asia/Singapore": ("SGX XSES SES", "SI"),
    "Asia/Kuala_Lumpur": ("MYX XKLS KLS KLSE", "KL"),
    "Asia/Bangkok": ("SET XBKK", "BK"),
    "Asia/Jakarta": ("IDX XIDX JKT", "JK"),
    "Asia/Manila": ("PSEI XPHS PHS", "PS"),
    "Asia/Ho_Chi_Minh": ("HOSE XSTC VSE", "VN"),
    "Australia/Sydney": ("ASX XASX CXA CHIA", "AX XA"),
    "Pacific/Auckland": ("NZX XNZE NZE", "NZ"),
}
_BY_CODE = {code: zone for zone, (codes, _) in _ZONES.items() for code in codes.split()}
_BY_SUFFIX = {suffix: zone for zone, (_, suffixes) in _ZONES.items() for suffix in suffixes.split()}
ZONES = frozenset({UNKNOWN, *_ZONES})
_NOT_IN_A_CODE = re.compile(r"[^A-Z0-9]+")


@lru_cache(maxsize=16_384)
def zone_of(exchange: str | None, symbol: str) -> str:
    """The IANA name of the zone whose midnight begins the symbol's day; else `UNKNOWN`."""
    if exchange is not None:
        return _BY_CODE.get(_NOT_IN_A_CODE.sub("", exchange.upper()), UNKNOWN)
    prefix, _, rest = symbol.rpartition(":")
    _, dot, suffix = rest.rpartition(".")
    return _BY_CODE.get(prefix) or (_BY_SUFFIX.get(suffix) if dot else None) or UNKNOWN
