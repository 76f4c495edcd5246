"""From raw outputs to probabilities and thresholds, fitted on infants that took no part in training.

probability.py      temperature of the window logits, Platt's slope and intercept of the risk
operating_point.py  the thresholds for "this window holds FMs" and "this recording is at risk"
"""
