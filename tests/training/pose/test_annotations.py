from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from fidgety.errors import UsageError
from fidgety.skeleton import COCO_17
from fidgety.training.pose.annotations import AnnotatedFrame, read_annotations, recording_of, split_recordings

PLACES = {name: (10.0 + i, 20.5 + 2 * i) for i, name in enumerate(COCO_17.keypoints)}
XY = np.array(list(PLACES.values()), np.float32)


def write_coco(path: Path, **changes: object) -> Path:
    data: dict[str, object] = {
        "images": [{"id": 7, "file_name": "video-1/003.jpg"}, {"id": 8, "file_name": "video-2/003.jpg"}],
        "categories": [{"id": 1, "keypoints": list(COCO_17.keypoints)}],
        "annotations": [
            {"image_id": i, "category_id": 1, "keypoints": [v for xy in PLACES.values() for v in (*xy, 2)]}
            for i in (7, 8)
        ],
    }
    path.write_text(json.dumps({**data, **changes}), encoding="utf-8")
    return path


def dlc(rows: list[str], parts: dict[str, tuple[float, float]] = PLACES) -> str:
    heads = [
        ",".join(["scorer", *["anna"] * 2 * len(parts)]),
        ",".join(["bodyparts", *[part for part in parts for _ in range(2)]]),
        ",".join(["coords", *["x", "y"] * len(parts)]),
    ]
    return "\n".join([*heads, *rows]) + "\n"


DLC_ROW = ",".join(f"{v}" for xy in PLACES.values() for v in xy)


def cvat(points: dict[str, tuple[float, float]], more: str = "") -> str:
    inside = "".join(f'<points label="{n}" outside="0" points="{x},{y}"/>' for n, (x, y) in points.items())
    return (
        f'<annotations><image id="0" name="v1/a.png"><skeleton label="infant">{inside}</skeleton>{more}</image>'
        '<image id="1" name="v1/empty.png"/></annotations>'
    )


def test_read_coco(tmp_path: Path) -> None:
    frames = read_annotations(write_coco(tmp_path / "a.json"), tmp_path / "pictures")
    assert [frame.recording for frame in frames] == ["video-1", "video-2"]
    assert frames[0].path == tmp_path / "pictures" / "video-1" / "003.jpg"
    assert (frames[0].keypoints_xy == XY).all()


def test_read_coco_leaves_out_what_is_not_visible_at_all(tmp_path: Path) -> None:
    keypoints = [v for i, xy in enumerate(PLACES.values()) for v in (*xy, 0 if i == 9 else 1)]
    rows = [{"image_id": 7, "category_id": 1, "keypoints": keypoints}]
    (frame,) = read_annotations(write_coco(tmp_path / "a.json", annotations=rows), tmp_path)
    assert np.isnan(frame.keypoints_xy[9]).all() and np.isfinite(np.delete(frame.keypoints_xy, 9, axis=0)).all()


@pytest.mark.parametrize(
    ("rows", "word"),
    [
        ([{"image_id": 9, "category_id": 1, "keypoints": [0] * 51}], "annotation 1 does not fit"),
        ([{"image_id": 7, "category_id": 1, "keypoints": [0] * 50}], "annotation 1 does not fit"),
        ([{"image_id": 7, "category_id": 1, "keypoints": [0] * 51}], "left_shoulder is not annotated"),
        (
            [{"image_id": 7, "category_id": 1, "keypoints": [1, 1, 2] * 17}] * 2,
            "annotation 2: .* two annotated infants",
        ),
        ([], "no annotated frame"),
    ],
)
def test_read_coco_refuses(tmp_path: Path, rows: list[object], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        read_annotations(write_coco(tmp_path / "a.json", annotations=rows), tmp_path)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"images": 3, "categories": [], "annotations": []}'])
def test_read_coco_of_another_file(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=r"a\.json is no COCO-keypoint JSON"):
        read_annotations(tmp_path / "a.json", tmp_path)


def test_read_deeplabcut_with_the_path_in_one_column_or_three(tmp_path: Path) -> None:
    path = tmp_path / "CollectedData.csv"
    path.write_text(dlc([f"labeled-data/v1/img01.png,{DLC_ROW}"]), encoding="utf-8")
    (one,) = read_annotations(path, tmp_path)
    text = dlc([f"labeled-data,v1,img01.png,{DLC_ROW}"])
    text = "\n".join(line.replace(",", ",,,", 1) if i < 3 else line for i, line in enumerate(text.splitlines()))
    path.write_text(text, encoding="utf-8")
    (three,) = read_annotations(path, tmp_path)
    assert one.path == three.path == tmp_path / "labeled-data" / "v1" / "img01.png"
    assert one.recording == three.recording == "v1"
    assert (one.keypoints_xy == XY).all() and (three.keypoints_xy == XY).all()


def test_read_deeplabcut_skips_frames_without_labels(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(dlc([f"v/1.png,{DLC_ROW}", "v/2.png" + "," * 34]), encoding="utf-8")
    assert len(read_annotations(path, tmp_path)) == 1


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("a,b\n1,2\n", "no header row 'scorer'"),
        (dlc([f"v/1.png,{DLC_ROW}", "v/2.png,1,2"]), "row 5 has 3 columns"),
        (dlc([f"v/1.png,{DLC_ROW.replace('20.5', 'twenty', 1)}"]), "row 4: y of nose is 'twenty'"),
        (dlc([f"v/1.png,{DLC_ROW.replace('20.5', '1e400', 1)}"]), "row 4: y of nose is '1e400', which lies at inf"),
        (dlc(["v/1.png,1,2"], {"left_hip": (0, 0)}), "row 4: left_shoulder is not annotated"),
        (dlc([f"v/1.png,{DLC_ROW}"]).replace("coords", "individuals,one,two\ncoords"), "several individuals"),
        (dlc([f"v/1.png,{DLC_ROW}"]).replace(",x,y\n", "\n"), "differ in length"),
        (dlc([]), "no annotated frame"),
    ],
)
def test_read_deeplabcut_refuses(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "a.csv").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=word):
        read_annotations(tmp_path / "a.csv", tmp_path)


def test_read_cvat_skeletons(tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_text(cvat({k.replace("_", " ").title(): xy for k, xy in PLACES.items()}), "utf-8")
    (frame,) = read_annotations(tmp_path / "a.xml", tmp_path)
    assert (frame.keypoints_xy == XY).all() and frame.recording == "v1"


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("<annotations", "is damaged"),
        ("<annotations/>", "holds no skeleton"),
        ('<!DOCTYPE a [<!ENTITY b "c">]><annotations/>', "entities"),
        (cvat(PLACES, "<skeleton/>"), "'v1/a.png' has 2 skeletons"),
        (cvat(PLACES).replace("10.0,20.5", "10.0"), "nose lies at '10.0'"),
        (cvat({"nose": (1, 2)}), "left_shoulder is not annotated"),
    ],
)
def test_read_cvat_refuses(tmp_path: Path, text: str, word: str) -> None:
    (tmp_path / "a.xml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=word):
        read_annotations(tmp_path / "a.xml", tmp_path)


def test_read_annotations_of_no_file_or_another_kind(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no file"):
        read_annotations(tmp_path / "a.json", tmp_path)
    with pytest.raises(UsageError, match="DeepLabCut CSV or CVAT XML"):
        read_annotations(tmp_path / "a.h5", tmp_path)


def test_recording_of() -> None:
    assert [recording_of(n) for n in ("a/b/7.png", "a\\7.png", "ward3_0012.png", "12.png")] == ["b", "a", "ward", "12"]


def test_split_recordings_keeps_each_on_one_side() -> None:
    frames = [AnnotatedFrame(Path(f"{i}.png"), f"r{i // 5}", XY) for i in range(50)]
    train, held_out = split_recordings(frames, 0.2, 3)
    assert len(train) == 40 and len(held_out) == 10
    assert not {frame.recording for frame in train} & {frame.recording for frame in held_out}
    with pytest.raises(UsageError, match="another one's frames"):
        split_recordings(frames[:5], 0.2, 3)
