"""`gptoss bench`: how fast a model runs here, and how fast this machine could run it."""
