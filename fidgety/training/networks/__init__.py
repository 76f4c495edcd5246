"""The networks in torch.

mam.py        MAM: window network, bag attention, Info Branch
normalise.py  the first step of the window network
dropout.py    dropout that is quick on a CPU
"""
