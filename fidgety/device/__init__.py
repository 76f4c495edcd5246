"""The box that fidgety runs on: what it is, whether it is fit, how fast it is, whether it still measures rightly.

tree.py          files of a system below a root, so that a simulated one can be read like the real one
jetson.py        model, JetPack, power mode                              processor.py  cores, memory, swap
heat.py          temperatures, throttling, clock rates                   system_clock.py  may the time be believed
cameras.py       what V4L2 says of the cameras                           accelerators.py  what really loads
probe.py         all of it: `device show`
packages.py      installed distributions and what is wrong with them
checks/          known traps, each with its remedy; doctor.py runs them: `device doctor`
bench.py         speed, memory and heat over one recording: `device bench`
selftest.py      the phantom through the whole chain; golden.py its stored vectors: `device selftest`
"""
