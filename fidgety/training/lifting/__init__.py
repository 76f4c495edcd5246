"""Trains the lifter on the phantom.

pairs.py    simulated infants -> 2D keypoints as the device would see them, and their true joints in the camera's axes
losses.py   places, velocities, bones
fit.py      `train_lifter`, which does it all
measure.py  aligned error, left and right, sign of depth
"""
