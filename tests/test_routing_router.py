"""The router on clouds of points whose owners are known, and its files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from jangin.errors import BundleError, ShapeError
from jangin.routing.profile import Profile, fit_profile, read_profile, write_profile
from jangin.routing.router import Router

DIMENSIONS = 24
CENTRES = np.random.default_rng(7).normal(size=(5, DIMENSIONS))


def cloud(which: int, n: int, seed: int) -> np.ndarray:
    """Each task asks about two things."""
    rng = np.random.default_rng(seed)
    shift = np.where(rng.random((n, 1)) < 0.5, 0.4, -0.4)
    return (CENTRES[which] + shift + rng.normal(scale=0.25, size=(n, DIMENSIONS))).astype(np.float32)


def profile(which: int, n: int = 300) -> Profile:
    points = cloud(which, n, which)
    return fit_profile("graph", points[n // 5 :], points[: n // 5], seed=0)


@pytest.fixture(scope="module")
def profiles() -> dict[str, Profile]:
    return {name: profile(at) for at, name in enumerate(("cards", "loans", "travel"))}


def test_messages_go_to_the_specialist_whose_inputs_they_resemble(profiles: dict[str, Profile]) -> None:
    router = Router(profiles)
    for at, name in enumerate(profiles):
        found = router.route(cloud(at, 200, 100 + at))
        assert np.mean([each.nearest == name for each in found]) > 0.99
        assert np.mean([each.name == name for each in found]) > 0.9  # about REFUSED of them lie outside


def test_what_resembles_none_is_out_of_scope_and_says_which_would_be_nearest(profiles: dict[str, Profile]) -> None:
    for other in (3, 4):
        found = Router(profiles).route(cloud(other, 200, 9))
        assert np.mean([each.name is None for each in found]) > 0.95
        assert all(each.margin < 0 for each in found if each.name is None)
        assert {each.nearest for each in found} <= set(profiles)


def test_a_fleet_of_one_knows_its_own_scope(profiles: dict[str, Profile]) -> None:
    router = Router({"cards": profiles["cards"]})
    assert np.mean([each.name == "cards" for each in router.route(cloud(0, 200, 5))]) > 0.9
    assert np.mean([each.name is None for each in router.route(cloud(4, 200, 5))]) > 0.95


def test_a_profile_is_the_same_after_the_disk_but_for_half_precision(tmp_path: Path) -> None:
    before = profile(0)
    write_profile(tmp_path / "routing.safetensors", before)
    after = read_profile(tmp_path / "routing.safetensors")
    assert after.encoder == "graph"
    np.testing.assert_allclose(after.centroids, before.centroids, atol=2e-3)
    np.testing.assert_allclose(after.scatter, before.scatter, atol=np.abs(before.scatter).max() / 1000)
    assert np.array_equal(after.scatter, after.scatter.T)


def test_one_seed_gives_one_file(tmp_path: Path) -> None:
    for name in ("a", "b"):
        write_profile(tmp_path / name, profile(1))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_handful_of_inputs_is_enough_for_a_profile() -> None:
    points = cloud(0, 6, 0)
    router = Router({"few": fit_profile("graph", points[1:], points[:1], seed=0)})
    assert router.route(points[:1])[0].nearest == "few"
    no_held_out = Router({"few": fit_profile("graph", points, points[:0], seed=0)})
    assert no_held_out.route(cloud(4, 1, 0))[0].name == "few"  # nothing says where its scope ends


@pytest.mark.parametrize("damage", ["cut", "text", "nan", "shape"])
def test_a_damaged_profile_is_refused(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "routing.safetensors"
    one = profile(0)
    if damage == "nan":
        one.centroids[0, 0] = np.nan
    if damage == "shape":
        one = Profile("graph", one.centroids, one.counts[:-1], one.scatter, one.held_out)
    write_profile(path, one)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-100])
    if damage == "text":
        path.write_text("hello")
    with pytest.raises(BundleError, match="routing profile"):
        read_profile(path)


def test_shapes_and_encoders_must_agree(profiles: dict[str, Profile]) -> None:
    with pytest.raises(ShapeError, match="0 profiles"):
        Router({})
    points = cloud(0, 50, 0)
    with pytest.raises(ShapeError, match="one encoder"):
        Router({**profiles, "other": fit_profile("another", points[10:], points[:10], seed=0)})
    with pytest.raises(ShapeError, match=r"\(1, 3\)"):
        Router(profiles).route(np.zeros((1, 3), np.float32))
