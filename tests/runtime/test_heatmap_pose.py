from __future__ import annotations

import numpy as np
import pytest

from fidgety.runtime.heatmap_pose import decode_heatmaps, decode_simcc

PLACES = [(10.0, 20.0), (12.3, 7.49), (30.5, 15.0), (5.51, 33.77), (0.2, 9.0), (35.4, 46.7), (17.98, 0.4)]


def gaussians(places: list[tuple[float, float]], sigma: float, width: int = 36, height: int = 48) -> np.ndarray:
    """(K, 48, 36) float32, peaks of 1."""
    y, x = np.mgrid[:height, :width]
    maps = [np.exp(-((x - px) ** 2 + (y - py) ** 2) / (2 * sigma**2)) for px, py in places]
    return np.stack(maps).astype(np.float32)


@pytest.mark.parametrize("sigma", [1.0, 1.5, 2.0, 3.0])
def test_decode_heatmaps_finds_gaussians_between_cells(sigma: float) -> None:
    places, peaks = decode_heatmaps(gaussians(PLACES, sigma), "likelihood")
    assert places == pytest.approx(np.array(PLACES), abs=2e-3)
    assert (peaks > 0.7).all() and (peaks <= 1.0).all()


def test_decode_heatmaps_of_logits_is_exact_to_the_border() -> None:
    with np.errstate(divide="ignore"):
        logs = np.log(np.maximum(gaussians(PLACES, 1.5).astype(np.float64), 1e-300)).astype(np.float32)
    places, _ = decode_heatmaps(logs, "logit")
    assert places == pytest.approx(np.array(PLACES), abs=1e-3)


def test_decode_heatmaps_is_far_finer_than_the_quarter_offset() -> None:
    truth = [(10 + step / 40, 20.0) for step in range(20)]
    places, _ = decode_heatmaps(gaussians(truth, 1.5), "likelihood")
    quarter = np.array([10 + 0.25 * (x > 10) if x <= 10.5 else 11 - 0.25 for x, _ in truth])
    assert np.abs(places[:, 0] - np.array(truth)[:, 0]).max() < 0.005 < np.abs(quarter - np.array(truth)[:, 0]).max()


def test_decode_heatmaps_in_noise_errs_by_little() -> None:
    rng = np.random.default_rng(1)
    maps = gaussians(PLACES[:4] * 50, 1.5)
    places, _ = decode_heatmaps(maps + rng.normal(0, 0.01, maps.shape).astype(np.float32), "likelihood")
    assert np.abs(places - np.array(PLACES[:4] * 50)).mean() < 0.03


def parabolas(maps: np.ndarray) -> np.ndarray:
    """(K, 2): the top of the parabola through the highest cell and its two neighbours, along each axis."""
    places = []
    for one in np.log(np.maximum(maps, 1e-6)):
        row, column = np.unravel_index(one.argmax(), one.shape)
        lines = ((one[row], column), (one[:, column], row))
        places.append([at + 0.5 * (v[at - 1] - v[at + 1]) / (v[at - 1] - 2 * v[at] + v[at + 1]) for v, at in lines])
    return np.array(places)


def test_decode_heatmaps_trembles_half_as_much_as_three_cells_do() -> None:
    rng = np.random.default_rng(3)
    maps = gaussians(PLACES[:4] * 100, 1.5)
    noisy = maps + rng.normal(0, 0.02, maps.shape).astype(np.float32)
    truth = np.array(PLACES[:4] * 100)
    places, _ = decode_heatmaps(noisy, "likelihood")
    assert np.abs(places - truth).std() < 0.5 * np.abs(parabolas(noisy) - truth).std()


def test_decode_simcc_trembles_less_than_a_tenth_of_its_deviation() -> None:
    rng = np.random.default_rng(4)
    truth = rng.uniform(20, 100, 200)
    clean = np.exp(-((np.arange(128) - truth[:, None]) ** 2) / (2 * 6.0**2)).astype(np.float32)
    noisy = clean + rng.normal(0, 0.02, clean.shape).astype(np.float32)
    places, _ = decode_simcc(noisy, noisy, "likelihood")
    assert np.abs(places[:, 0] - truth).mean() < 0.6
    assert places[:, 0] == pytest.approx(places[:, 1])


def test_decode_heatmaps_mirrored_gives_mirrored_places() -> None:
    maps = gaussians(PLACES, 1.5)
    places, peaks = decode_heatmaps(maps, "likelihood")
    other, other_peaks = decode_heatmaps(np.ascontiguousarray(maps[:, :, ::-1]), "likelihood")
    assert 35 - other[:, 0] == pytest.approx(places[:, 0], abs=1e-4)
    assert other[:, 1] == pytest.approx(places[:, 1], abs=1e-4)
    assert (other_peaks == peaks).all()


@pytest.mark.parametrize("values", [0.0, 0.3, -2.0, np.nan, np.inf])
def test_decode_heatmaps_of_a_flat_or_damaged_map_has_no_place(values: float) -> None:
    maps = gaussians(PLACES[:2], 1.5)
    maps[1] = values
    places, peaks = decode_heatmaps(maps, "likelihood")
    assert np.isnan(places[1]).all() and peaks[1] == 0
    assert places[0] == pytest.approx(np.array(PLACES[0]), abs=2e-3)


def test_decode_heatmaps_with_one_damaged_cell_has_no_place() -> None:
    maps = gaussians(PLACES[:1], 1.5)
    maps[0, 40, 3] = np.nan
    assert np.isnan(decode_heatmaps(maps, "likelihood")[0]).all()


def test_decode_simcc_by_hand() -> None:
    # One keypoint, bins of half a px: logits of a parabola that is highest at bin 3.25, and one highest at bin 5.
    x = -((np.arange(8) - 3.25) ** 2)[None].astype(np.float32) + 0.9
    y = -((np.arange(10) - 5.0) ** 2)[None].astype(np.float32) + 0.6
    places, peaks = decode_simcc(x, y, "logit")
    assert places == pytest.approx(np.array([[3.25, 5.0]]), abs=1e-5)
    assert peaks == pytest.approx([0.6], abs=1e-6)  # the lower one: x peaks at .9 - .25 ** 2


def test_decode_simcc_of_random_vectors_stays_near_the_highest_bin() -> None:
    rng = np.random.default_rng(2)
    x, y = rng.uniform(0, 1, (17, 384)).astype(np.float32), rng.uniform(0, 1, (17, 512)).astype(np.float32)
    places, peaks = decode_simcc(x, y, "logit")
    assert (np.abs(places - np.stack([x.argmax(axis=1), y.argmax(axis=1)], axis=1)) <= 4.0).all()
    assert (peaks == np.minimum(x.max(axis=1), y.max(axis=1))).all()


def test_decode_simcc_with_one_flat_axis_has_no_place() -> None:
    x = np.exp(-((np.arange(40) - 7.3) ** 2) / 8)[None].astype(np.float32)
    places, peaks = decode_simcc(x, np.full((1, 40), 0.2, np.float32), "likelihood")
    assert np.isnan(places).all() and peaks[0] == 0
