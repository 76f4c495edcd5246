from __future__ import annotations

from fidgety.device.encoder import SOFTWARE, Encoder, choose_encoder, try_encoder


def test_try_encoder_software_encodes() -> None:
    assert try_encoder(SOFTWARE, 160, 120, 25.0)


def test_try_encoder_one_that_is_not_there_or_has_no_device_does_not() -> None:
    assert not try_encoder(Encoder("h264_of_nobody"), 160, 120, 25.0)
    assert not try_encoder(Encoder("h264_v4l2m2m"), 160, 120, 25.0)


def test_choose_encoder_takes_the_first_that_really_encodes() -> None:
    candidates = [Encoder("h264_v4l2m2m"), Encoder("libx264", {"preset": "medium"}), Encoder("libx264")]
    assert choose_encoder(160, 120, 25.0, candidates) is candidates[1]


def test_choose_encoder_without_any_falls_back_to_software() -> None:
    assert choose_encoder(160, 120, 25.0, []) is SOFTWARE
