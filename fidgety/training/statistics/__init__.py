"""The statistics of an evaluation: plain arrays in, frozen records out. Needs scipy and scikit-learn, not torch.

inputs.py        arrays of scores, probabilities and labels, or a word on why they are none
estimate.py      a figure with its interval; Wilson's interval of a share
roc.py           AUC, DeLong's interval and paired test, ROC, Youden's threshold
two_by_two.py    sensitivity, specificity, predictive values, accuracy
agreement.py     Cohen's kappa: clips, recordings, several raters; McNemar's test
reliability.py   are probabilities what they say: Brier score, recalibration line, ICI, bins
decision.py      decision curve, intention to screen
groups.py        tests between groups, Holm's correction, medians, means over folds
bootstrap.py     interval of any figure, infants drawn with all their recordings
splits.py        folds by infant, and the proof that no infant stands on both sides
attributions.py  exact Shapley values of a function of few features
"""
