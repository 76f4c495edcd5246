"""Trains MAM and the lifter. Needs torch; nothing under `fidgety.runtime` imports from here.

samples.py    simulated infants -> 240-frame windows as the device would see them, with true labels
bags.py       the batch rule: balanced clips, one normal and one risk bag
networks/     MAM, the lifter
lifting/      the lifter's pairs, losses, fit and figures
losses.py     bag, clip, triplet, closeness
fit.py        pre-training, main training, and `train_demo`, which does it all
evaluate.py   figures on held-out infants
calibrate.py  prior, temperature, Platt's line, thresholds from infants kept for it
chain.py      what the real chain does to MAM's logits, and the shift that makes up for it
log.py        curve, account and settings beside the weights
"""
