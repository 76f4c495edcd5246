"""The digital phantom: a supine infant whose movement, bouts and camera are known exactly.

motion.py                records: anatomy, confounders, a moving skeleton
signals.py, anatomy.py   band-limited noise and smooth bumps; segment lengths, postures, joint limits
fidgety_movements.py     FMs and their bouts
gross_movements.py, ordinary_movements.py   everything else that an infant does, and crying, tremor, breathing
forward_kinematics.py    joint angles -> points
kinematics.py            all of the above: seed + category + confounders -> Motion
cohort.py, cohort_kinds.py, cohort_recordings.py, cohort_files.py   many infants; three sites; on disk
camera.py, scene.py      where the camera stands, what is in the picture
appearance.py, body.py, face.py, solids.py, shading.py, stage.py, render.py   Motion + camera -> pictures
video.py, truth.py       pictures -> MP4, the truth beside it
pose_noise.py, noise_study.py, observe.py   how wrong a pose network is on it, and poses that are as wrong
fidelity/                what the whole chain does to movement that is known

It is a test object and a demo training set. It is never evidence about infants.
"""
