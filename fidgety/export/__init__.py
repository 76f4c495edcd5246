"""Trained networks -> ONNX, proved equal to their source before they may be used.

fetch         the pinned package with the pose networks, verified by hash
tflite_graph  TFLite bytes -> plain graph
onnx_graph    plain graph -> ONNX in NCHW
parity        TFLite interpreter against ONNX Runtime on real pictures
pose          all of the above: `export_pose_networks`
mam           trained weights -> three ONNX graphs
publish       pose networks + MAM graphs -> a bundle, every gate first
tensorrt      ONNX -> TensorRT engine, on the device (no ONNX or torch package needed)
golden        recorded input of every network, from the sample recording
engine_parity the gate before an engine may be used
"""
