"""Trains a heat-map pose network of our own, on phantom frames or on a site's annotated ones.

phantom_frames.py   rendered frames of many infants, kept on disk
annotations.py      what every annotated frame is; COCO-keypoint JSON; a file of any kind by its look
deeplabcut.py       DeepLabCut's CSV; cvat.py: CVAT's XML
crops.py            frame -> crop and heat maps, as the runtime lays its crop, shaken
network.py          the network, written once for torch and for ONNX
fit.py              crops -> weights, resumable; measure.py: keypoint errors on frames held out
"""
