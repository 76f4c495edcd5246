"""Trained networks -> ONNX, proved equal to their source before they may be used.

fetch         the pinned package with the pose networks, verified by hash
tflite_graph  TFLite bytes -> plain graph
onnx_graph    plain graph -> ONNX in NCHW
parity        TFLite interpreter against ONNX Runtime on real pictures
pose          all of the above: `export_pose_networks`
mam           trained weights -> three ONNX graphs
precision     float32 -> float16 inside, float32 at the ends; fixed sizes
quantise      float32 -> int8 with Q/DQ pairs, for x86 and for TensorRT
stand_in      what the CPU runs to judge an accelerator's graph: it rounds where that one does
candidates    one network in one precision, staged
network_parity, chain_parity   the same crops, chunks, windows; then whole recordings
speed, machine, precision_report   how long, on what, and all of it in the bundle
variants      the above in order: what earns its place goes into a new version of the bundle
publish       pose networks + MAM graphs -> a bundle, every gate first
tensorrt      ONNX -> TensorRT engine, on the device (no ONNX or torch package needed)
golden        recorded input of every network, from the sample recording
engine_parity the gate before an engine may be used
"""
