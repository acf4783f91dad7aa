"""Series: windows of measured values, the network that forecasts them, and what judges it."""
