"""A cohort on disk: three tables and the recordings that they name, checked before anything learns from it.

layout.py        names of tables and columns; writing a table
text_table.py    CSV -> rows of text, with the faults of the file itself
tables.py        rows of text -> checked rows (the only place that needs pydantic)
links.py         what does not fit between rows and between tables
files.py         the recordings: in the folder, readable, their content and length
apart.py         do two cohorts, or a cohort and a run, share an infant or a recording
read.py          all of the above: folder -> Cohort and its faults
records.py       what a Cohort is made of
inclusion.py     who is included, and the participant flow
annotations.py   bouts -> labelled clips of 9.6 s; several raters -> one label
raters.py        simulated raters with a set kappa
tracks.py        a recording's pose track, read when it is asked for
"""
