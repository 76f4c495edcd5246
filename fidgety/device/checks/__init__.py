"""The known traps, each a plain function: what was found in, findings with a remedy out; nothing where all is well.

finding.py      what a check gives
software.py     ONNX Runtime, TensorRT, OpenCV, decoders, Python
hardware.py     disk, memory, swap, heat, power mode, cameras
engines.py      engines that will not be loaded
standing.py     clock, model bundle, data folder, service
"""
