"""The forecast of bookings (kpis.md, section 4): what is known on a day in, the period's bookings with their range out.

`forecast(connection, ...)` reads three tables and makes three: `forecast_forecasts`, `forecast_accuracy` and
`forecast_calibration`. Every past Monday is forecast again from what was known on it, by methods that learnt from
periods that had ended before its own began: that is the backtest, and today's forecast is its newest origin.
"""

from analysis.forecast.run import forecast

__all__ = ["forecast"]
