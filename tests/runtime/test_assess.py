from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fidgety.bundle import Bundle, Manifest, OperatingPoint, ProbabilityCalibration, write_bundle
from fidgety.errors import BundleError
from fidgety.records import Characteristics, FloatArray, Stretch, Window, WindowScore
from fidgety.runtime.assess import Mam, _block_resamples, find_bouts, find_voids, fms_frequency

KNOWN = Characteristics(14.0, 39.0, "male", 3400.0)
MAM_FILES = ("mam_window.onnx", "mam_bag.onnx", "mam_info.onnx")


def score(start_s: float, probability: float | None, *, is_instance: bool = True) -> WindowScore:
    classes = None if probability is None else (probability, 1 - probability)
    void = "gap too long" if probability is None else None
    return WindowScore(start_s, start_s + 9.6, is_instance, True, probability, classes, void)


def instances(probabilities: Sequence[float | None]) -> list[WindowScore]:
    return [score(6.0 * i, p) for i, p in enumerate(probabilities)]


def timeline(probabilities: Sequence[float | None]) -> list[WindowScore]:
    return [score(0.8 * i, p) for i, p in enumerate(probabilities)]


# FMs frequency


def test_fms_frequency_is_k_of_n() -> None:
    found = fms_frequency(instances([0.9, 0.5, 0.49, 0.1, 0.7]), 0.5)
    assert found is not None
    assert (found.n_fms, found.n_instances, found.value) == (3, 5, 0.6)


def test_fms_frequency_follows_its_threshold() -> None:
    scores = instances([0.9, 0.5, 0.49, 0.1, 0.7])
    counts = [getattr(fms_frequency(scores, threshold), "n_fms", None) for threshold in (0.0, 0.45, 0.6, 0.95)]
    assert counts == [5, 4, 2, 0]


def test_fms_frequency_voids_and_other_windows_do_not_count() -> None:
    scores = [*instances([0.9, None, 0.1, None]), score(0.8, 0.9, is_instance=False)]
    found = fms_frequency(scores, 0.5)
    assert found is not None and (found.n_fms, found.n_instances) == (1, 2)


def test_fms_frequency_nothing_scored_is_none() -> None:
    assert fms_frequency([], 0.5) is None
    assert fms_frequency(instances([None, None]), 0.5) is None
    assert fms_frequency([score(0.8, 0.9, is_instance=False)], 0.5) is None


@pytest.mark.parametrize("n", [1, 2, 3, 9, 28, 60])
def test_fms_frequency_interval_holds_the_value_and_is_never_empty(n: int) -> None:
    rng = np.random.default_rng(n)
    for share in (0.0, 0.2, 0.5, 1.0):
        found = fms_frequency(instances(list(np.where(rng.random(n) < share, 0.9, 0.1))), 0.5)
        assert found is not None
        assert 0.0 <= found.low <= found.value <= found.high <= 1.0
        assert found.high - found.low > 0.02


def test_fms_frequency_all_alike_is_still_uncertain() -> None:
    none, every = fms_frequency(instances([0.1] * 9), 0.5), fms_frequency(instances([0.9] * 9), 0.5)
    assert none is not None and every is not None
    # Wilson for 0 of 6 (9 instances of which 150 of 240 frames are new): 0 to .39
    assert (none.low, none.high) == (0.0, pytest.approx(0.39, abs=0.01))
    assert (every.low, every.high) == (pytest.approx(0.61, abs=0.01), 1.0)


def test_fms_frequency_interval_narrows_with_the_recording() -> None:
    widths = []
    for n in (8, 32, 128):
        found = fms_frequency(instances([0.9, 0.1, 0.1, 0.9] * (n // 4)), 0.5)
        assert found is not None
        widths.append(found.high - found.low)
    assert widths[0] > 1.5 * widths[1] > 2.25 * widths[2]


def test_fms_frequency_neighbours_that_agree_say_less() -> None:
    mixed = fms_frequency(instances([0.9, 0.1] * 20), 0.5)
    in_runs = fms_frequency(instances(([0.9] * 5 + [0.1] * 5) * 4), 0.5)
    assert mixed is not None and in_runs is not None and mixed.value == in_runs.value
    assert in_runs.high - in_runs.low > 1.02 * (mixed.high - mixed.low)


def test_fms_frequency_same_scores_same_interval() -> None:
    scores = instances([0.9, 0.1, 0.6, 0.2, 0.8, 0.4, 0.3])
    assert fms_frequency(scores, 0.5) == fms_frequency(scores, 0.5)


# Bouts and voids


def test_find_bouts_hand_made_timeline() -> None:
    found = find_bouts(timeline([0.1, 0.6, 0.9, 0.2, None, 0.8, 0.5, 0.49]), 0.5)
    # the middle of window i lies at 4.8 s + .8 s i
    assert found == (Stretch(5.2, 6.8), Stretch(8.4, 10.0))


def test_find_voids_hand_made_timeline() -> None:
    assert find_voids(timeline([None, 0.6, None, None, 0.2, None])) == (
        Stretch(4.4, 5.2),
        Stretch(6.0, 7.6),
        Stretch(8.4, 9.2),
    )


def test_find_bouts_and_voids_of_nothing() -> None:
    assert find_bouts([], 0.5) == () and find_voids([]) == ()
    assert find_bouts(timeline([0.1, None]), 0.5) == ()
    assert find_bouts(timeline([0.9]), 0.5) == (Stretch(4.4, 5.2),)


def test_find_bouts_long_bout_is_one_stretch_without_drift() -> None:
    (bout,) = find_bouts(timeline([0.9] * 400), 0.5)
    assert bout.start_s == pytest.approx(4.4, abs=1e-3)
    assert bout.end_s == pytest.approx(4.4 + 320.0, abs=2e-3)


def test_find_bouts_and_voids_never_overlap() -> None:
    rng = np.random.default_rng(0)
    scores = timeline([None if r < 0.2 else float(r) for r in rng.random(200)])
    stretches = sorted([*find_bouts(scores, 0.5), *find_voids(scores)], key=lambda s: s.start_s)
    assert all(a.end_s <= b.start_s + 1e-6 for a, b in itertools.pairwise(stretches))
    inside = sum(s.end_s - s.start_s for s in stretches)
    n_in = sum(s.fms_probability is None or s.fms_probability >= 0.5 for s in scores)
    assert inside == pytest.approx(0.8 * n_in, abs=0.1)


# MAM, on graphs small enough to reckon by hand: logits (m, -m), m the window's mean; bag = mean of the instances;
# info (0, sex)


@pytest.fixture(scope="module")
def hand_graphs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    onnx = pytest.importorskip("onnx", reason="graphs are made with the onnx package (extra 'export')")
    folder = tmp_path_factory.mktemp("graphs")
    helper, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT

    def save(name: str, nodes: list[Any], inputs: dict[str, Any], outputs: dict[str, Any], **values: Any) -> Path:
        graph = helper.make_graph(
            nodes,
            "g",
            [helper.make_tensor_value_info(key, kind, shape) for key, shape in inputs.items()],
            [helper.make_tensor_value_info(key, kind, shape) for key, shape in outputs.items()],
            [numpy_helper.from_array(np.asarray(value, np.float32), key) for key, value in values.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.save(model, str(folder / name))
        return folder / name

    node = helper.make_node
    return {
        "mam_window.onnx": save(
            "mam_window.onnx",
            [
                node("Constant", [], ["axis"], value_ints=[1]),
                node("ReduceMean", ["windows"], ["mean"], axes=[1, 2, 3], keepdims=0),
                node("Unsqueeze", ["mean", "axis"], ["column"]),
                node("MatMul", ["column", "sign"], ["logits"]),
                node("MatMul", ["column", "ones"], ["embedding"]),
            ],
            {"windows": ["B", 240, 17, 3]},
            {"logits": ["B", 2], "embedding": ["B", 64]},
            sign=[[1, -1]],
            ones=np.ones((1, 64)),
        ),
        "mam_bag.onnx": save(
            "mam_bag.onnx",
            [
                node("Constant", [], ["axis"], value_ints=[2]),
                node("Unsqueeze", ["mask", "axis"], ["kept"]),
                node("Mul", ["class_probabilities", "kept"], ["masked"]),
                node("ReduceMean", ["masked"], ["bag"], axes=[1], keepdims=0),
            ],
            {"class_probabilities": ["B", "N", 2], "mask": ["B", "N"]},
            {"bag": ["B", 2]},
        ),
        "mam_info.onnx": save(
            "mam_info.onnx",
            [node("MatMul", ["characteristics", "pick"], ["info"])],
            {"characteristics": ["B", 4]},
            {"info": ["B", 2]},
            pick=[[0, 1], [0, 0], [0, 0], [0, 0]],
        ),
    }


@pytest.fixture
def bundle(tmp_path: Path, manifest: Manifest, hand_graphs: dict[str, Path]) -> Bundle:
    return write_bundle(tmp_path / "bundle", manifest, hand_graphs)


def window(i: int, value: float, *, is_void: bool = False) -> Window:
    joints = np.full((240, 17, 3), np.nan if is_void else value, np.float32)
    return Window(20 * i, 0.8 * i, 0.8 * i + 9.6, True, True, joints, "gap too long" if is_void else None)


def logistic(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def test_score_probabilities_by_hand_and_in_order(bundle: Bundle) -> None:
    values = [0.0, 0.5, -0.5, 1.0, 2.0, -2.0, 0.1]
    scores = list(Mam(bundle).score(window(i, v) for i, v in enumerate(values)))
    assert [s.start_s for s in scores] == pytest.approx([0.8 * i for i in range(7)])
    assert [s.fms_probability for s in scores] == pytest.approx([logistic(2 * v) for v in values], abs=1e-5)
    assert [s.class_probabilities[0] for s in scores if s.class_probabilities] == pytest.approx(
        [logistic(2 * v) for v in values], abs=1e-5
    )


def test_score_temperature_softens_the_probability_and_leaves_the_raw_one(bundle: Bundle) -> None:
    warm = replace(bundle, manifest=replace(bundle.manifest, probability=ProbabilityCalibration(2.0, 1.0, 0.0)))
    (found,) = Mam(warm).score([window(0, 1.0)])
    assert found.fms_probability == pytest.approx(logistic(1.0), abs=1e-5)
    assert found.class_probabilities == pytest.approx((logistic(2.0), logistic(-2.0)), abs=1e-5)


@pytest.mark.parametrize("n", [1, 4, 5, 11])
def test_score_void_windows_pass_through_unscored(bundle: Bundle, n: int) -> None:
    windows = [window(i, 0.1 * i, is_void=i % 3 == 1) for i in range(n)]
    scores = list(Mam(bundle).score(windows))
    assert [s.start_s for s in scores] == [w.start_s for w in windows]
    assert [s.void for s in scores] == [w.void for w in windows]
    for i, s in enumerate(scores):
        if i % 3 == 1:
            assert s.fms_probability is None and s.class_probabilities is None
        else:
            assert s.fms_probability == pytest.approx(logistic(0.2 * i), abs=1e-5)


def test_score_only_void_windows(bundle: Bundle) -> None:
    scores = list(Mam(bundle).score([window(i, 0.0, is_void=True) for i in range(6)]))
    assert [s.fms_probability for s in scores] == [None] * 6


def test_score_nothing(bundle: Bundle) -> None:
    assert list(Mam(bundle).score([])) == []


def test_risk_by_hand_without_characteristics(bundle: Bundle) -> None:
    mam = Mam(bundle)
    scores = list(mam.score([window(0, 1.0), window(1, 1.0), window(2, -0.5)]))
    p = np.mean([logistic(2.0), logistic(2.0), logistic(-1.0)])
    risk = mam.risk(scores, Characteristics())
    assert risk.probability == pytest.approx(logistic(1 - 2 * p), abs=1e-5)
    assert not risk.used_characteristics and not risk.is_risk
    assert risk.low <= risk.probability <= risk.high and risk.high > risk.low


def test_risk_characteristics_are_added_when_all_are_known(bundle: Bundle) -> None:
    mam = Mam(bundle)
    scores = list(mam.score([window(0, 1.0), window(1, -1.0)]))
    boy, girl = mam.risk(scores, KNOWN), mam.risk(scores, replace(KNOWN, sex="female"))
    assert boy.used_characteristics and girl.used_characteristics
    assert girl.probability == pytest.approx(0.5, abs=1e-5)
    assert boy.probability == pytest.approx(logistic(1.0), abs=1e-5)
    partly = mam.risk(scores, replace(KNOWN, birth_weight_g=None))
    assert not partly.used_characteristics
    assert partly.probability == pytest.approx(0.5, abs=1e-5)


def test_risk_calibration_and_operating_point_come_from_the_bundle(bundle: Bundle) -> None:
    settings = replace(
        bundle.manifest,
        probability=ProbabilityCalibration(1.0, 3.0, 0.7),
        operating_point=OperatingPoint(0.5, 0.4, "by hand", None),
    )
    mam = Mam(replace(bundle, manifest=settings))
    risk = mam.risk(list(mam.score([window(0, 0.25)])), Characteristics())
    assert risk.probability == pytest.approx(logistic(3 * (1 - 2 * logistic(0.5)) + 0.7), abs=1e-5)
    assert risk.threshold == 0.4
    assert risk.is_risk == (risk.probability >= 0.4)


def test_risk_more_fms_less_risk(bundle: Bundle) -> None:
    mam = Mam(bundle)
    risks = [
        mam.risk(list(mam.score(window(i, 1.0 if i < k else -1.0) for i in range(8))), Characteristics()).probability
        for k in range(9)
    ]
    assert np.all(np.diff(risks) < 0)


@pytest.mark.parametrize("n", [1, 2, 9, 28])
def test_risk_instances_that_agree_are_still_uncertain(bundle: Bundle, n: int) -> None:
    mam = Mam(bundle)
    for value in (-1.0, 0.0, 1.0):
        scores = list(mam.score(window(i, value) for i in range(n)))
        risk, p = mam.risk(scores, Characteristics()), logistic(-2 * value)
        apart = 1 + (n - 1) * 0.625
        # Wilson's interval of the bag's probability, by the quadratic equation that defines it
        z2 = 1.959964**2 / apart
        low, high = np.sort(np.roots([1 + z2, -(2 * p + z2), p * p]))
        assert (risk.low, risk.high) == pytest.approx((logistic(2 * low - 1), logistic(2 * high - 1)), abs=1e-5)
        assert risk.low < risk.probability < risk.high
        assert mam.risk(scores, Characteristics()) == risk


def test_risk_interval_narrows_with_the_recording_and_holds_the_bootstraps(bundle: Bundle) -> None:
    mam = Mam(bundle)
    widths = []
    for n in (8, 32, 128):
        values = [1.0, -1.0, -1.0, 1.0] * (n // 4)
        risk = mam.risk(list(mam.score(window(i, value) for i, value in enumerate(values))), Characteristics())
        shares = np.array([logistic(2 * value) for value in values])[_block_resamples(n)].mean(axis=1)
        low, high = np.quantile([logistic(1 - 2 * share) for share in shares], [0.025, 0.975])
        assert risk.low <= low + 1e-6 and risk.high >= high - 1e-6
        widths.append(risk.high - risk.low)
    assert widths[0] > 1.5 * widths[1] > 2.25 * widths[2]


def test_risk_voids_and_other_windows_do_not_count(bundle: Bundle) -> None:
    mam = Mam(bundle)
    scores = list(mam.score([window(0, 1.0), window(1, -1.0, is_void=True)]))
    extra = replace(scores[0], is_instance=False, class_probabilities=(0.0, 1.0))
    assert mam.risk([*scores, extra], Characteristics()) == mam.risk(scores[:1], Characteristics())


def test_risk_without_a_scored_instance_is_an_error(bundle: Bundle) -> None:
    mam = Mam(bundle)
    with pytest.raises(ValueError, match="no scored instance"):
        mam.risk(list(mam.score([window(0, 0.0, is_void=True)])), Characteristics())


def test_mam_swapped_graphs_are_refused_when_opened(
    tmp_path: Path, manifest: Manifest, hand_graphs: dict[str, Path]
) -> None:
    swapped = {**hand_graphs, "mam_bag.onnx": hand_graphs["mam_info.onnx"]}
    with pytest.raises(BundleError, match=r"mam_bag\.onnx"):
        Mam(write_bundle(tmp_path / "bundle", manifest, swapped))


# MAM, on the graphs that the package ships


@pytest.fixture
def demo_bundle(tmp_path: Path, manifest: Manifest) -> Bundle:
    folder = Path(__file__).parents[2] / "fidgety" / "demo"
    files = {name: folder / name for name in MAM_FILES}
    if not all(path.is_file() for path in files.values()):
        pytest.skip("fidgety/demo holds no MAM graphs yet: `fidgety train` writes them")
    return write_bundle(tmp_path / "bundle", manifest, files)


@pytest.fixture
def posture(lying_xy: FloatArray) -> FloatArray:
    """(17, 3) px: H36M joints of the infant that lies still."""
    from fidgety.skeleton import BLAZEPOSE_33, joints_matrix

    return np.c_[joints_matrix(BLAZEPOSE_33) @ lying_xy, np.zeros(17)].astype(np.float32)


def moving_window(posture: FloatArray, i: int, amplitude_px: float) -> Window:
    t = np.arange(240)[:, None, None] / 25
    phase = np.random.default_rng(i).uniform(0, 6, (1, 17, 3))
    joints = posture + amplitude_px * np.sin(2 * np.pi * 1.5 * t + phase)
    return Window(150 * i, 6.0 * i, 6.0 * i + 9.6, True, False, joints.astype(np.float32), None)


def test_score_demo_graphs_do_not_care_where_how_large_and_how_turned(demo_bundle: Bundle, posture: FloatArray) -> None:
    plain = moving_window(posture, 0, 6.0)
    angle = 0.6
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]], np.float32)
    moved = replace(plain, joints_xyz=(1.7 * plain.joints_xyz @ turn + np.array([300, -90, 40])).astype(np.float32))
    a, b = Mam(demo_bundle).score([plain, moved])
    assert a.fms_probability == pytest.approx(b.fms_probability, abs=1e-3)


def test_score_demo_graphs_see_fms_in_fms_and_none_in_stillness(demo_bundle: Bundle, posture: FloatArray) -> None:
    """A bout of the phantom seen from straight above, against the same posture at rest."""
    from fidgety.phantom.kinematics import h36m17, simulate_motion

    motion = simulate_motion(71, "continual", 60.0)
    bout = max(motion.bouts, key=lambda one: one.end_s - one.start_s)
    start = min(max(0, round((bout.start_s + bout.end_s) / 2 * 25) - 120), len(motion) - 240)
    seen = h36m17(motion)[start : start + 240] * np.float32(1000.0) * np.array([1, -1, -1], np.float32)
    seen[..., 2] = 0.0
    fidgeting = replace(moving_window(posture, 0, 0.0), joints_xyz=np.ascontiguousarray(seen))
    still, moving = Mam(demo_bundle).score([moving_window(posture, 0, 0.0), fidgeting])
    assert still.fms_probability is not None and moving.fms_probability is not None
    assert still.fms_probability < 0.1
    assert moving.fms_probability > 0.5


def test_score_demo_graphs_batches_do_not_matter(demo_bundle: Bundle, posture: FloatArray) -> None:
    windows = [moving_window(posture, i, 2.0 * i) for i in range(6)]
    mam = Mam(demo_bundle)
    together = [s.fms_probability for s in mam.score(windows)]
    alone = [next(iter(mam.score([w]))).fms_probability for w in windows]
    assert together == pytest.approx(alone, abs=1e-5)


def test_risk_demo_graphs_take_any_number_of_instances(demo_bundle: Bundle, posture: FloatArray) -> None:
    mam = Mam(demo_bundle)
    for n in (1, 3, 20):
        risk = mam.risk(list(mam.score(moving_window(posture, i, 3.0) for i in range(n))), KNOWN)
        assert 0 <= risk.low <= risk.probability <= risk.high <= 1
        assert risk.used_characteristics
