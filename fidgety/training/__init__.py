"""Trains and evaluates MAM, the systems that it is compared with, and the lifter.

Needs torch; nothing under `fidgety.runtime` imports from here.

networks/            MAM and its inputs, STAM, WO-GMA, the lifter
lifting/             the lifter's pairs, losses, fit and figures
samples.py, views.py simulated infants -> tracks and 240-frame windows as the device would see them, with true labels
bags.py, losses.py   the batch rule: balanced clips, one normal and one risk bag; bag, clip, triplet, closeness
branches.py          Ref, Main and Info Branch: losses of one step
fit.py               `train_demo`: pre-training, main training, calibration on simulated infants
calibrate.py         prior, temperature, Platt's line, thresholds from infants kept for it
chain.py             what the real chain does to MAM's logits, and the shift that makes up for it
evaluate.py          figures on held-out infants for the training log
log.py               curve, account and settings beside the weights

A cohort on disk:
cohort_tracks.py, cohort_data.py, pieces.py   recordings -> lifted tracks -> infants with windows and labelled clips
protocol.py, protocols/, schedules.py         what is trained and how long, read from a file
task.py, folds.py, held_out.py                who learns, who is held out, who is left for the test
loop.py, checkpoints.py, team.py              steps that go on after a kill, on several devices
fit_mam.py, fit_stam.py, fit_wo_gma.py, fit_eml.py, train_system.py   each system
motion_features.py, eml.py, models.py, systems.py, scoring.py         what a trained system says of a recording
cohort_calibration.py, cohort_run.py, final_model.py, run_files.py    thresholds, the whole run, its files
apply.py             another cohort through the trained folds
statistics/          intervals, tests, agreement, reliability, splits
evaluation/          runs -> the paper's tables, plots and page; the reader study
"""
