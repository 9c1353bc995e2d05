"""BOP scenes, merged and in BOP's own folders."""

from __future__ import annotations

import json

import numpy as np
import pytest

from training.data.conventions import project
from training.data.readers import open_reader


def write_scene(split, annotations, scene="000002", info=True, limit=4):
    """The merged file's first frames as BOP's own folders."""
    folder = split / scene
    (folder / "rgb").mkdir(parents=True)
    truth, details, cameras = {}, {}, {}
    for name, value in list(annotations.items())[:limit]:
        key = str(int(name.split(".")[0]))
        cameras[key] = {"cam_K": value["cam_K"], "depth_scale": 1.0}
        pose = ("obj_id", "cam_R_m2c", "cam_t_m2c")
        truth[key] = [{field: item[field] for field in pose} for item in value["objects"]]
        seen = ("bbox_obj", "bbox_visib", "visib_fract")
        details[key] = [{field: item[field] for field in seen} for item in value["objects"]]
    (folder / "scene_gt.json").write_text(json.dumps(truth))
    (folder / "scene_camera.json").write_text(json.dumps(cameras))
    if info:
        (folder / "scene_gt_info.json").write_text(json.dumps(details))
    return folder


@pytest.fixture
def lmo(shared_data):
    return shared_data("lmo")


@pytest.fixture
def annotations(lmo):
    return json.loads((lmo / "dev" / "annotations.json").read_text())


def test_real_boxes_lie_on_the_annotated_boxes(lmo, annotations):
    reader = open_reader(lmo)
    (sequence,) = reader.sequences()
    assert (reader.kind, reader.dataset, sequence.split) == ("bop", "lmo", "dev")
    assert len(sequence.views) == 925  # 927 annotated, two of them wholly hidden
    assert "objects_hidden" in sequence.flags
    full = {
        (int(name[:6]), item["obj_id"]): item["bbox_obj"]
        for name, value in annotations.items()
        for item in value["objects"]
    }
    worst = []
    for view in sequence.views:
        assert np.linalg.det(view.box9.rotation) == pytest.approx(1.0)
        pixels = project(view.camera, view.box9.vertices)
        x, y, w, h = full[view.frame, int(view.attributes["obj_id"])]
        # The model fills its box, so the projected box holds the annotated one.
        worst.append(
            max(*(pixels.min(axis=0) - (x, y)), *((x + w - 1, y + h - 1) - pixels.max(axis=0)))
        )
        assert 0.3 < view.box9.translation[2] < 2.0  # metres on a table top
    assert np.quantile(worst, 0.99) < 4
    # y is up: on average the tops of the boxes are higher in the image than their bottoms.
    ups = np.array([view.box9.rotation[1, 1] for view in sequence.views])
    assert (ups < 0).mean() > 0.95


def test_bops_own_folders_give_the_same(lmo, annotations, tmp_path):
    folder = write_scene(tmp_path / "test", annotations)
    for name in list(annotations)[:4]:
        (folder / "rgb" / name).write_bytes((lmo / "dev" / name).read_bytes())
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "models_info.json").write_bytes((lmo / "models_info.json").read_bytes())
    reader = open_reader(tmp_path, dataset="lmo")
    (scene,) = reader.sequences()
    (merged,) = open_reader(lmo).sequences()
    assert (scene.id, scene.split, reader.kind) == ("test/000002", "test", "bop")
    for ours, theirs in zip(scene.views, merged.views, strict=False):
        assert (ours.bbox_xyxy == theirs.bbox_xyxy).all()
        assert ours.box9.vertices == pytest.approx(theirs.box9.vertices)
        assert (ours.instance, ours.visibility) == (theirs.instance, theirs.visibility)
    # The scene's own folder alone is enough, models are found above it.
    assert [len(s.views) for s in open_reader(folder).sequences()] == [len(scene.views)]


def test_without_visibility_the_projected_box_is_used(lmo, annotations, tmp_path):
    folder = write_scene(tmp_path / "test", annotations, info=False)
    for name in list(annotations)[:3]:  # the fourth photograph is missing
        (folder / "rgb" / name).write_bytes((lmo / "dev" / name).read_bytes())
    (folder / "models_info.json").write_bytes((lmo / "models_info.json").read_bytes())
    (scene,) = open_reader(tmp_path).sequences()
    assert {"visibility_missing", "images_missing"} <= set(scene.flags)
    view = scene.views[0]
    pixels = project(view.camera, view.box9.vertices)
    assert view.bbox_xyxy == pytest.approx([*pixels.min(axis=0), *pixels.max(axis=0)])


def test_two_copies_in_one_image_are_two_instances(lmo, annotations, tmp_path):
    name = next(iter(annotations))
    item = annotations[name]["objects"][1]
    doubled = {name: {**annotations[name], "objects": [item, item]}}
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev" / "annotations.json").write_text(json.dumps(doubled))
    (tmp_path / "dev" / name).write_bytes((lmo / "dev" / name).read_bytes())
    (tmp_path / "models_info.json").write_bytes((lmo / "models_info.json").read_bytes())
    (scene,) = open_reader(tmp_path).sequences()
    assert [view.instance for view in scene.views] == ["can", "can#2"]
    assert {view.category for view in scene.views} == {"can"}


def test_broken_scenes_are_skipped_with_a_reason(lmo, annotations, tmp_path):
    models = (lmo / "models_info.json").read_bytes()
    whole = write_scene(tmp_path / "test", annotations, "000001", limit=1)
    name = next(iter(annotations))
    (whole / "rgb" / name).write_bytes((lmo / "dev" / name).read_bytes())
    write_scene(tmp_path / "test", annotations, "000002", limit=1)  # no photographs at all
    cut = write_scene(tmp_path / "test", annotations, "000003", limit=1)
    (cut / "scene_gt.json").write_text("{")
    gone = write_scene(tmp_path / "test", annotations, "000004", limit=1)
    (gone / "rgb" / name).write_bytes((lmo / "dev" / name).read_bytes())
    (gone / "scene_camera.json").write_text("{}")
    (tmp_path / "models_info.json").write_bytes(models)
    reader = open_reader(tmp_path)
    assert [scene.id for scene in reader.sequences()] == ["test/000001"]
    reasons = {skipped.sequence: skipped.reason for skipped in reader.report.skipped}
    assert "no views" in reasons["test/000002"]
    assert "cannot be read as JSON" in reasons["test/000003"]
    assert "KeyError" in reasons["test/000004"]


def test_unknown_sizes_are_told(annotations, tmp_path):
    write_scene(tmp_path / "test", annotations)
    reader = open_reader(tmp_path)
    assert list(reader.sequences()) == []
    assert "models_info.json" in reader.report.skipped[0].reason
