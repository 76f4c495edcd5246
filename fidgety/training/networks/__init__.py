"""The networks in torch.

mam.py        MAM: window network, bag attention, Info Branch
inputs.py     what MAM may be given: differences, distances, coordinates, velocities, accelerations
stam.py, wo_gma.py, graph.py   the comparison systems and the graph of the skeleton
lifter.py     2D keypoints -> 3D
normalise.py  the first step of the window network
dropout.py    dropout that is quick on a CPU
"""
