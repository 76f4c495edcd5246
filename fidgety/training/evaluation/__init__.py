"""Training runs and cohorts -> the tables and plots of the paper; assessors' labels -> the reader study.

rows.py, runs.py, records.py   RUN folders, cell by cell; what they become
cohorts.py, references.py      do runs and cohorts belong together; true bouts and raters' clips
cases.py, study.py             one case for each infant; which rows a table has
tables.py                      a table as one record -> Markdown, HTML, CSV
performance.py                 folds, pooled, paired tests, shuffled labels
frequency.py, clips.py         FMs frequency by group and against the truth; clip kappa
ablations.py, subgroups.py     what parts are worth; is it as good for every kind of infant
worth.py                       calibration, decision curve, intention to screen
shortcuts.py, info_branch.py   what else tells the classes apart; Shapley values of the characteristics
plots.py, report.py            SVG; Markdown and one page
evaluation.py                  all of the above: `fidgety evaluate`
plain_table.py                 labels and scores from anywhere
readers.py, reader_tables.py   the reader study: `fidgety agree`
"""
