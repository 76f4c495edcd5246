"""The digital phantom: a supine infant whose movement, bouts and camera are known exactly.

motion.py      the records: anatomy, confounders, a moving skeleton
kinematics.py  seed + category + confounders -> Motion
camera.py      where the camera stands: world -> picture
render.py      Motion + camera -> RGB frames that a pose network accepts
video.py       frames -> MP4 with the truth beside it
cohort.py      many infants -> a cohort to train on
It is a test object and a demo training set. It is never evidence about infants.
"""
