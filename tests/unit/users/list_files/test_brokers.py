"""What brokers export: what is held and traded is read, and all else is told with its reason.

The files are made up; which columns they have, and what stands beside them, is as each writes it.
"""

from __future__ import annotations

import time

import pytest

from stockstream.users.list_files import brokers
from stockstream.users.list_files.brokers import (
    CASH,
    CUSIP,
    DETAIL,
    FUTURE,
    HEADING,
    ISIN,
    NOT_DONE,
    NOTE,
    OPTION,
    OTHER_PART,
    OTHER_TABLE,
    TOTAL,
    is_cusip,
    is_isin,
    kind_of,
)
from stockstream.users.list_files.encodings import NotReadable
from stockstream.users.list_files.names import Listed
from stockstream.users.list_files.reading import ReadList, read_list

ABOVE = "it stands above the table"
SCHWAB = """\
"Positions for account Individual ...901 as of 04:05 PM ET, 2026/09/30",,,,,

"Symbol","Description","Qty (Quantity)","Price","Mkt Val (Market Value)","Cost Basis","Asset Type"
"BLOX","SOME INCOME ETF","31.9129","17.25","$550.50 ","$674.28 ","ETFs & Closed End Funds"
"BRK/B","BERKSHIRE HATHAWAY CL B","2","450.00","$900.00","$700.00","Equity"
"XYZ","NO COST","1,250","1.00","$1,250.00","--","Equity"
"SWVXX","A MONEY FUND","1,200","1.00","$1,200.00","$1,200.00","Cash and Money Market"
"Cash & Cash Investments","--","--","--","-$500.00","--","Cash and Money Market"
"Positions Total","","--","--","$4,200.50","$5,000.00","--"
"""
FIDELITY = """\
\ufeffAccount Number,Account Name,Symbol,Description,Quantity,Last Price,Current Value,\
Cost Basis Total,Average Cost Basis,Type
X12345678,Individual,VOO,SOME 500 ETF,18,$512.40,"$9,223.20","$8,220.00",$456.67,Cash
X12345678,Individual, -AMAT260424C400,AMAT APR 24 2026 CALL,-1,$9.15,-$915.00,$729.31,$7.29,Cash
X12345678,Individual,SPAXX**,HELD IN MONEY MARKET,,,$2069.43,,,Cash
X12345678,Individual,FCASH,HELD IN FCASH,,,$1.00,,,Cash
X12345678,Individual,Pending Activity,,,,"$1,201.00",,,

"The data and information in this spreadsheet is provided to you solely for your use."
"Date downloaded 07/08/2026 6:41 PM ET"
"""
IBKR = """\
Statement,Header,Field Name,Field Value
Statement,Data,Title,Activity Statement
Cash Report,Data,Ending Cash,USD,-30257.35,-30257.35,0,
Open Positions,Header,DataDiscriminator,Asset Category,Currency,Symbol,Quantity,Mult,Cost Price,\
Cost Basis
Open Positions,Data,Summary,Stocks,USD,AAPL,100,1,175.50,17550.00
Open Positions,Data,Lot,Stocks,USD,AAPL,100,1,175.50,17550.00
Open Positions,Data,Summary,Stocks,EUR,SAP,-50,1,140.00,-7000.00
Open Positions,Data,Summary,Equity and Index Options,USD,AAPL 17JAN25 180 C,5,100,3.50,1750.00
Open Positions,Total,,Stocks,USD,,,,,10550.00
Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,T. Price
Trades,Data,Order,Stocks,USD,TSLA,"2026-01-05, 10:31:00",100,150.00
"""
ETRADE = """\
Account Summary
Positions as of 09/15/2026
Symbol,Last Price $,Change $,Quantity,Price Paid $,Day's Gain $
AAPL,230.00,1.00,10,150.00,10.00
CASH,,,,,,1234.56
TOTAL,,,,,,3534.56
,,,,,
Generated at Sep 15 2026 04:00 PM ET
"""
ROBINHOOD = """\
"Activity Date","Process Date","Settle Date","Instrument","Description","Trans Code",\
"Quantity","Price","Amount"
"7/22/2024","7/22/2024","7/22/2024","","ACH Withdrawal","ACH","","","($200.00)"
"7/16/2024","7/16/2024","7/17/2024","AAPL","Apple\nCUSIP: 037833100","Sell","1","$215.00","$215.00"
"7/15/2024","7/15/2024","7/17/2024","AAPL","Apple\nCUSIP: 037833100","Buy","3","$210.00","($630.00)"
"7/10/2024","7/10/2024","7/13/2024","AAPL","AAPL 7/17/2026 Call $13.00","BTO","5","$0.05","($25.20)"
"7/9/2024","7/9/2024","7/9/2024","AAPL","Cash Div","CDIV","","","$0.72"
"","","","","","","","","","The data provided is for informational purposes only."
"""
TRADING_212 = """\
Action,Time,ISIN,Ticker,Name,No. of shares,Price / share,Currency (Price / share),Total
Deposit,2024-01-01 09:00:00,,,,,,,100.00
Market buy,2024-01-02 10:00:00.123,US0378331005,AAPL,Apple,0.5234567890,185.25,USD,97.00
Limit sell,2024-02-02 10:00:00,US0378331005,AAPL,Apple,0.1,190,USD,19.00
"""
DEGIRO = """\
Product,Symbol/ISIN,Quantity,Closing,Local value,,Value in EUR
CASH & CASH FUND & FTX CASH (EUR),,,,EUR,"1000,50","1000,50"
APPLE INC,US0378331005,3,"10,00",USD,"30,00","26,37"
"""
TRADINGVIEW = """\
Symbol,Side,Qty,Fill Price,Commission,Closing Time
NASDAQ:AAPL,Buy,10,150.5,1.25,2024-01-02 10:00:00
NASDAQ:AAPL,Sell,4,160,,2024-01-03 10:00:00
$CASH,Deposit,1000,,,2024-01-01 10:00:00
"""
GOOGLE = "Symbol;Quantity;Purchase price;Purchase date\nAAPL;1.000,5;99,90 €;31.01.2024\n"


def held(read: ReadList) -> list[tuple[str | None, ...]]:
    """Symbol, quantity, cost and currency of what was read."""
    return [(e.symbol, e.quantity, e.cost, e.currency) for e in read.entries]


def trades(read: ReadList) -> list[tuple[str | None, ...]]:
    """Kind, quantity, cost, day and fee."""
    return [(e.kind, e.quantity, e.cost, e.date, e.fee) for e in read.entries]


def left(read: ReadList) -> list[tuple[int, str]]:
    """Lines and reasons of what was left out."""
    return [(each.line, each.reason) for each in read.unread]


def test_schwab() -> None:
    """A total cost becomes that of one; cash, its fund and the totals are told."""
    found = read_list(SCHWAB.encode(), Listed())
    assert held(found) == [
        ("BLOX", "31.9129", "21.128759843198", None),
        ("BRK-B", "2", "350", None),
        ("XYZ", "1250", None, None),
    ]
    assert left(found) == [(1, ABOVE), (7, CASH), (8, CASH), (9, TOTAL)]


def test_fidelity() -> None:
    """`Cash` is a type of account there, not cash; below stands what lawyers wrote."""
    found = read_list(FIDELITY.encode(), Listed())
    assert held(found) == [("VOO", "18", "456.67", None)]
    assert left(found) == [(3, OPTION), (4, CASH), (5, CASH), (6, CASH), (8, NOTE), (9, NOTE)]


def test_interactive_brokers() -> None:
    """Of a statement in parts the open positions, each once; a short one is below 0."""
    found = read_list(IBKR.encode(), Listed())
    assert held(found) == [("AAPL", "100", "175.5", "USD"), ("SAP", "-50", "140", "EUR")]
    assert left(found) == [(1, OTHER_PART), (6, DETAIL), (8, OPTION), (9, DETAIL)]


def test_etrade() -> None:
    """The word CASH, which is somebody's symbol as well, is cash in a table of positions."""
    found = read_list(ETRADE.encode(), Listed())
    assert held(found) == [("AAPL", "10", "150", None)]
    assert left(found) == [(1, ABOVE), (2, ABOVE), (5, CASH), (6, TOTAL), (8, NOTE)]
    assert held(read_list(b"AAPL, CASH", Listed())) == [
        ("AAPL", None, None, None),
        ("CASH", None, None, None),
    ]
    assert [e.symbol for e in read_list(b"Symbol\nCASH\n", Listed()).entries] == ["CASH"]


def test_robinhood() -> None:
    """Trades with their days, as months come first there; options and dividends are told."""
    found = read_list(ROBINHOOD.encode(), Listed())
    assert trades(found) == [
        ("sold", "-1", "215", "2024-07-16", None),
        ("bought", "3", "210", "2024-07-15", None),
    ]
    reasons = [reason for _, reason in left(found)]
    assert reasons[0] == "there is no symbol in it"
    assert "“BTO” is neither a purchase nor a sale" in reasons
    assert "“CDIV” is neither a purchase nor a sale" in reasons
    assert reasons[-1] == NOTE


def test_trading_212_and_tradingview() -> None:
    """Each column by another name; a deposit is told."""
    found = read_list(TRADING_212.encode(), Listed())
    assert trades(found) == [
        ("bought", "0.523456789", "185.25", "2024-01-02", None),
        ("sold", "-0.1", "190", "2024-02-02", None),
    ]
    assert len(found.unread) == 1
    found = read_list(TRADINGVIEW.encode(), Listed())
    assert trades(found) == [
        ("bought", "10", "150.5", "2024-01-02", "1.25"),
        ("sold", "-4", "160", "2024-01-03", None),
    ]
    assert left(found) == [(4, CASH)]


def test_degiro_and_a_sheet_in_german() -> None:
    """An ISIN leads to no symbol, and is told; commas before decimals, points between thousands."""
    assert left(read_list(DEGIRO.encode(), Listed())) == [(2, CASH), (3, ISIN)]
    found = read_list(GOOGLE.encode("utf-8-sig"), Listed())
    assert held(found) == [("AAPL", "1000.5", "99.9", "EUR")]


def test_numbers_that_may_be_two_are_refused_or_told_by_the_others() -> None:
    """`1.234` alone may be a thousand; beside `99,5` it is."""
    alone = read_list(b"Symbol;Shares\nAAPL;1.234\n", Listed())
    assert left(alone) == [(2, "“1.234” may be thousands or decimals")]
    beside = read_list(b"Symbol;Shares;Cost\nAAPL;1.234;99,5\n", Listed())
    assert held(beside) == [("AAPL", "1234", "99.5", None)]
    american = read_list(b"Symbol;Shares;Cost\nAAPL;1,234;99.5\n", Listed())
    assert held(american) == [("AAPL", "1234", "99.5", None)]


def test_what_no_feed_lists_is_told_before_it_is_refused() -> None:
    """Of others it is left out; of our own it is kept, and marked."""
    listed = Listed({"AAPL": "NASDAQ"}, complete=True)
    found = read_list(b"AAPL, NOSUCH", listed)
    assert [e.symbol for e in found.entries] == ["AAPL"]
    assert left(found) == [(1, "no feed lists NOSUCH")]
    ours = read_list(b"symbol,section,quantity,cost,currency\nAAPL,,,,\nNOSUCH,,,,\n", listed)
    assert [(e.symbol, e.unlisted) for e in ours.entries] == [("AAPL", False), ("NOSUCH", True)]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("BUY", "bought"),
        ("YOU BOUGHT APPLE INC (AAPL) (Cash)", "bought"),
        ("Market buy", "bought"),
        ("Stop limit buy", "bought"),
        ("REINVESTMENT SOME FUND", "bought"),
        ("Sell Short", "sold"),
        ("Long", "held"),
        ("", "held"),
        ("BUY TO OPEN", None),
        ("Dividend", None),
        ("Buyback", None),
    ],
)
def test_what_a_line_tells(text: str, kind: str | None) -> None:
    assert kind_of(text) == kind


def test_a_statement_without_positions_tells_its_trades_each_once() -> None:
    """What was sold is no short position; subtotals are no lots, and changed money is no share."""
    file = (
        "Trades,Header,DataDiscriminator,Asset Category,Currency,Symbol,Date/Time,Quantity,"
        "T. Price,Comm/Fee\n"
        'Trades,Data,Order,Stocks,USD,AAPL,"2026-01-05, 10:31:00",10,189,-1.5\n'
        'Trades,Data,Order,Stocks,USD,BRK B,"2026-01-06, 10:31:00",-4,300,0\n'
        "Trades,SubTotal,,Stocks,USD,AAPL,,10,,\n"
        'Trades,Data,Order,Forex,USD,EUR.USD,"2026-01-05, 10:31:00",1000,1.09,0\n'
    )
    found = read_list(file.encode("utf-8-sig"), Listed())
    assert [e.symbol for e in found.entries] == ["AAPL", "BRK-B"]
    assert trades(found) == [
        ("bought", "10", "189", "2026-01-05", "1.5"),
        ("sold", "-4", "300", "2026-01-06", None),
    ]
    assert left(found) == [(4, DETAIL), (5, FUTURE)]


def test_a_heading_below_the_first_is_told() -> None:
    """Of one account after another it comes again; trades below positions are not counted twice."""
    accounts = "Symbol,Quantity\nAAPL,1\n\nSymbol,Quantity\nMSFT,2\n"
    found = read_list(accounts.encode(), Listed())
    assert [e.symbol for e in found.entries] == ["AAPL", "MSFT"]
    assert left(found) == [(4, HEADING)]
    below = "Name,Symbol,Shares\nSome,VTI,10\n\nTrade Date,Symbol,Shares\n2026-01-01,VTI,10\n"
    found = read_list(below.encode(), Listed())
    assert held(found) == [("VTI", "10", None, None)]
    assert left(found) == [(4, OTHER_TABLE)]


@pytest.mark.parametrize(
    "head",
    [
        "Date,Time,Product,ISIN,Venue,Quantity,Price",
        "Datum;Produkt;ISIN;Fee",
        "Name,Quantity,Price",
    ],
)
def test_a_table_without_symbols_is_refused(head: str) -> None:
    """Words of its heading are no symbols; those that are both, alone or few, are."""
    with pytest.raises(NotReadable, match="without a column “Symbol”"):
        read_list(f"{head}\n1,2,3\n".encode(), Listed())
    assert len(read_list(b"COST, TIME\nAAPL", Listed()).entries) == 3


def test_bytes_without_a_zero_are_no_text_either() -> None:
    with pytest.raises(NotReadable, match="no text"):
        read_list(bytes(range(1, 256)) * 40, Listed())


def test_other_columns_tell_the_decimal_sign_where_those_of_lots_do_not() -> None:
    sheet = "Symbol;Date;Quantity;Closing\nASML;20.11.2023;1.010;600,55\n"
    assert held(read_list(sheet.encode(), Listed())) == [("ASML", "1010", None, None)]
    dates = read_list(b"Symbol;Date;Quantity\nASML;20.11.2023;1.010\n", Listed())
    assert left(dates) == [(2, "“1.010” may be thousands or decimals")]


def test_numbers_of_securities_have_a_digit_of_control() -> None:
    bill = "Symbol,Quantity\n912797GL5,1000\n"
    assert left(read_list(bill.encode(), Listed())) == [(2, CUSIP)]
    assert [is_cusip(text) for text in ("037833100", "037833101", "AAPL")] == [True, False, False]
    assert [is_isin(text) for text in ("US0378331005", "US0378331006", "AAPL")] == [
        True,
        False,
        False,
    ]


def test_a_cell_of_any_length_costs_no_time() -> None:
    """No search of ours goes through a long text more than a few times."""
    for text in ("A " + "1" * 100_000, "total" * 20_000 + "x", "1" * 100_000 + "x"):
        begin = time.process_time()
        read_list(f"Symbol,Quantity\n{text},{text[:60_000]}\n".encode(), Listed())
        brokers.kind_of(text)
        assert time.process_time() - begin < 1


def test_a_type_that_is_of_trades_tells_purchases_and_sales() -> None:
    """As Revolut, Swissquote and others call it; a type of what is held is none."""
    text = """\
Date,Ticker,Type,Quantity,Price per share,Total Amount,Currency
2026-01-02T10:00:00.000000Z,AAPL,BUY - MARKET,10,USD 190.00,USD 1900.00,USD
2026-02-02T10:00:00.000000Z,AAPL,SELL - MARKET,4,USD 200.00,USD 800.00,USD
2026-03-02T10:00:00.000000Z,AAPL,DIVIDEND,10,,USD 8.00,USD
"""
    read = read_list(text.encode(), Listed())
    assert [(e.quantity, e.cost, e.kind, e.date) for e in read.entries] == [
        ("10", "190", "bought", "2026-01-02"),
        ("-4", "200", "sold", "2026-02-02"),
    ]
    assert left(read) == [(4, "\u201cDIVIDEND\u201d is neither a purchase nor a sale")]
    held_ones = read_list(b"Symbol,Type,Quantity\nAAPL,Margin,3\n", Listed())
    assert [(e.quantity, e.kind) for e in held_ones.entries] == [("3", "held")]


def test_orders_that_were_not_carried_out_are_no_trades() -> None:
    """They have a quantity all the same."""
    rows = [
        f"AAPL,Buy,10,{price},{status}"
        for price, status in (
            ("190", "Filled"),
            ("", "Cancelled"),
            ("", "Canceled"),
            ("", "Rejected"),
            ("190", "Partially Filled"),
            ("", "Working"),
            ("190", "Executed"),
            ("190", "partially_filled"),
            ("", "pending_new"),
        )
    ]
    text = "\n".join(["Symbol,Side,Qty,Fill Price,Status", *rows])
    read = read_list(text.encode(), Listed())
    assert [entry.line for entry in read.entries] == [2, 8]
    assert {why for _, why in left(read)} == {NOT_DONE}


def test_a_purchase_below_0_takes_one_back() -> None:
    """As some write that a trade was cancelled; a sale is below 0 whichever way it is written."""
    text = "Symbol,Action,Quantity\nAAPL,Buy,10\nAAPL,Buy,-10\nMSFT,Sell,3\nMSFT,Sell,-3\n"
    read = read_list(text.encode(), Listed())
    assert [entry.quantity for entry in read.entries] == ["10", "-10", "-3", "-3"]


def test_a_short_position_is_below_0_whichever_way_it_is_written() -> None:
    """Some tell it by the side alone."""
    text = "Symbol,Side,Quantity\nAAPL,Short,10\nMSFT,Short,-10\nTSLA,Long,10\n"
    read = read_list(text.encode(), Listed())
    assert [entry.quantity for entry in read.entries] == ["-10", "-10", "10"]


def test_a_cost_is_in_the_currency_that_it_names() -> None:
    """It is not counted as one of the price's currency; two that differ are refused."""
    text = """\
Symbol;Quantity;Purchase Price;Currency
SAP;1;\u20ac100,50;
AAPL;1;100,50 USD;
MSFT;1;$100,50;
TSLA;1;100,50;usd
VOD;1;100,50;GBp
BP;1;\u00a3100,50;GBp
"""
    read = read_list(text.encode(), Listed())
    assert [(e.cost, e.currency) for e in read.entries] == [
        ("100.5", "EUR"),
        ("100.5", "USD"),
        ("100.5", None),
        ("100.5", "USD"),
        ("100.5", "GBp"),
    ]
    assert left(read) == [(7, "its cost is in GBP, and its currency is GBp")]


def test_a_cost_that_is_too_large_to_be_kept_is_told() -> None:
    """Of a total and next to nothing that it was for."""
    text = b"Symbol,Quantity,Cost Basis Total\nAAPL,0.000001,100000000000000\n"
    assert left(read_list(text, Listed())) == [
        (2, "the number is too large or too small to be kept")
    ]


def test_our_own_file_saved_with_semicolons_has_decimal_commas() -> None:
    """By a program of tables; `1,234` is not a thousand there."""
    text = b"symbol;section;quantity;cost;currency\nAAPL;;1,234;12,5;USD\n"
    read = read_list(text, Listed())
    assert [(e.quantity, e.cost) for e in read.entries] == [("1.234", "12.5")]


def test_a_line_alone_is_no_heading_of_one_column() -> None:
    """There may be a symbol with that name; two known columns are a heading all the same."""
    found = read_list(b"TICKER,AAPL\n", Listed())
    assert [entry.symbol for entry in found.entries] == ["TICKER", "AAPL"]
    assert read_list(b"Symbol,Quantity\n", Listed()).entries == []
