"""The box at the bedside.

engines.py   provisions the TensorRT engines of a bundle: builds, proves, keeps
"""
