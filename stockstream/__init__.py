"""StockStream: stock prices, streamed live to browsers by supervised actors."""
