"""The fidelity bench: what the chain does to known movement.

scenes.py, plan.py    known movements before a camera, and which of them are rendered
    |  Scene, View
    v
bench.py              each through the whole chain; what is measured against what is true
    |  Row (a figure of one joint), by transfer.py: gain and phase, spectra, lines, cross-talk
    v
table.py, plot.py, report.py   fidelity.csv and back; plots; tables and page, an earlier run beside them
"""
