"""Trains and evaluates MAM, the systems that it is compared with, and the lifter.

Needs torch; nothing under `fidgety.runtime` imports from here.

networks/            MAM and its inputs, STAM, WO-GMA, the lifter
lifting/             the lifter: pairs, losses, fit, figures; whole tracks through its graph
cohort_tracks.py, tracked.py, cohort_data.py, pieces.py   a cohort on disk -> lifted tracks -> windows and rated clips
protocol.py, protocols/, schedules.py         what is trained and how long, read from a file
task.py, folds.py, held_out.py                who learns, who is held out, who is left for the test
bags.py, losses.py, branches.py               the batch rule; Ref, Main and Info Branch: losses of one step
loop.py, checkpoints.py, team.py              steps that go on after a kill, on several devices
fit_mam.py, fit_stam.py, fit_wo_gma.py, fit_eml.py, train_system.py   each system
motion_features.py, eml.py, models.py, systems.py, scoring.py         what a trained system says of a recording
calibrate.py         prior, temperature, Platt's line, thresholds from infants kept for it
cohort_run.py, final_model.py, run_files.py, log.py                   the whole run, its files
apply.py, external.py                         another cohort through the trained models, its files
site.py              a bundle fitted to a site by the site's own labelled infants
chain.py             what the real chain does to MAM's logits, and the shift that makes up for it
statistics/          intervals, tests, agreement, reliability, splits
evaluation/          runs -> the paper's tables, plots and page; the reader study
"""
