"""From raw outputs to probabilities and thresholds, fitted on infants that took no part in training.

probability.py      temperature of the window logits, Platt's slope and intercept of the risk
operating_point.py  the thresholds for "this window holds FMs" and "this recording is at risk"

And what the networks see of real recordings, for int8 and its proof:

networks.py           the networks of a bundle, by name
recorded_inputs.py    a recording -> what each of them was given
activation_ranges.py  how far the values inside them swing
"""
