"""A build is deterministic, thins what it should, and says what it left out."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from index.build import build_index
from index.home import Home
from index.manifest import Manifest
from index.search import Gallery
from index.store.stored_view import view_id
from training.data.readers.manifest import Manifest as ManifestReader
from training.errors import EncoderError, GalleryError


def cut_off(path: Path) -> None:
    """Keep the header, so that a reader sees the image's size, but not the pixels."""
    path.write_bytes(path.read_bytes()[:2000])


def test_version_folder_holds_what_the_manifest_says(build, home):
    result = build()
    manifest = Manifest.read(result.folder)
    assert manifest.version == result.version == result.folder.name
    assert manifest.counts.views == 30
    assert manifest.counts.sequences == 6
    assert manifest.counts.instances == 3
    assert manifest.counts.categories == 3
    assert manifest.counts.annotated == 30
    assert {head: file.dim for head, file in manifest.heads.items()} == {"pose": 24, "identity": 8}
    ids = np.load(result.folder / "ids.npy")
    assert ids[0] == view_id("things", "s0", 0, "thing0")
    assert len(set(ids.tolist())) == 30
    assert not (home.index_folder("things") / ".work").exists()


def test_every_view_finds_itself_with_everything_known_about_it(build, home, painted, encoder):
    build()
    gallery = Gallery.open(home, "things")
    for text in (painted / "manifest.jsonl").read_text().splitlines():
        wanted = json.loads(text)
        image = cv2.cvtColor(cv2.imread(str(painted / wanted["image"])), cv2.COLOR_BGR2RGB)
        box = np.array(wanted["bbox_xyxy"])
        encoded = encoder.encode(encoder.crop(image, box)[None])
        for head in ("pose", "identity"):
            best = gallery.search(encoded[head], head, k=1)[0][0]
            view = best.view
            assert best.similarity == pytest.approx(1.0, abs=1e-6)
            assert (view.sequence, view.frame) == (wanted["sequence"], wanted["frame"])
            assert (view.category, view.instance) == (wanted["category"], wanted["instance"])
            assert view.split == wanted["split"]
            assert (view.image_width, view.image_height) == (64, 48)
            assert view.camera.matrix[0, 0] == 60.0
            assert view.attributes["turn"] == wanted["frame"]
            np.testing.assert_array_equal(view.box9.translation, wanted["box9"]["translation"])
            np.testing.assert_array_equal(view.plane.normal, wanted["plane"]["normal"])


def test_thumbnail_is_the_crop(build, home):
    build()
    gallery = Gallery.open(home, "things")
    jpeg = gallery.thumbnail(view_id("things", "s0", 0, "thing0"))
    image = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert image.shape == (31, 45, 3)
    assert gallery.thumbnail(1) is None


def test_two_homes_agree_byte_for_byte(build, painted, encoder, tmp_path):
    first = build()
    other = Home.open(tmp_path / "other", f"sqlite:///{tmp_path / 'other.sqlite'}")
    second = build_index(other, "things", [(painted, "manifest")], encoder)
    for name in sorted(path.name for path in first.folder.iterdir()):
        assert (first.folder / name).read_bytes() == (second.folder / name).read_bytes(), name


def test_building_again_changes_nothing(build):
    assert build().version == build().version


def test_moved_data_is_the_same_version(build, painted, tmp_path):
    first = build()
    moved = tmp_path / "elsewhere" / painted.name
    shutil.copytree(painted, moved)
    assert build(root=moved).version == first.version


def test_other_options_other_version(build, home):
    whole = build()
    train = build(split="train")
    thin = build(stride=2)
    assert len({whole.version, train.version, thin.version}) == 3
    assert train.manifest.counts.views == 15
    assert thin.manifest.counts.views == 18
    assert Gallery.open(home, "things").version == thin.version
    assert Gallery.open(home, "things", whole.version).size == 30


def test_videos_are_thinned_and_turntables_are_not(build, paint_at, rewrite, tmp_path):
    lines = paint_at(tmp_path / "clock", sequences=2, frames=13)
    filmed = [item | {"fps": 30.0} if item["sequence"] == "s0" else item for item in lines]
    rewrite(tmp_path / "clock", filmed)
    assert build(root=tmp_path / "clock").manifest.counts.views == 3 + 13
    assert build(root=tmp_path / "clock", fps=None).manifest.counts.views == 26


def test_a_broken_sequence_is_skipped_with_its_reason(build, paint_at, tmp_path):
    root = tmp_path / "broken"
    paint_at(root)
    for name in ("s2-0", "s2-1", "s2-2", "s2-3", "s2-4", "s3-1"):
        cut_off(root / f"{name}.png")
    (root / "s4-0.png").unlink()
    manifest = build(root=root).manifest
    assert manifest.counts.views == 30 - 5 - 1 - 5
    skipped = {item.sequence: item for item in manifest.report.skipped}
    assert skipped["s2"].views is None
    assert "cut off" in skipped["s2"].reason
    assert skipped["s3"].views == 1
    assert "s3-1.png" in skipped["s3"].reason
    assert skipped["s4"].views is None
    assert manifest.report.read == 4
    assert str(tmp_path) not in manifest.report.model_dump_json()


def test_a_broken_video_is_skipped_with_its_reason(build, paint_at, rewrite, tmp_path):
    root = tmp_path / "video"
    lines = paint_at(root, sequences=2)
    (root / "broken.mp4").write_bytes(b"\0" * 2000)
    film = {key: value for key, value in lines[0].items() if key != "image"}
    film |= {"sequence": "film", "video": "broken.mp4", "fps": 30.0, "instance": "film"}
    rewrite(root, [*lines, film])
    manifest = build(root=root).manifest
    assert manifest.counts.sequences == 2
    assert [item.sequence for item in manifest.report.skipped] == ["film"]
    assert "broken.mp4" in manifest.report.skipped[0].reason


def test_a_box_outside_the_image_costs_only_its_view(home, painted, encoder):
    class OneBoxAway(ManifestReader):
        def sequences(self, split=None):
            for sequence in super().sequences(split):
                away = replace(sequence.views[3], bbox_xyxy=np.array([500.0, 500.0, 600.0, 600.0]))
                views = (*sequence.views[:3], away, *sequence.views[4:])
                yield replace(sequence, views=views)

    manifest = build_index(home, "things", [OneBoxAway(painted)], encoder).manifest
    assert manifest.counts.views == 24
    assert {item.views for item in manifest.report.skipped} == {1}
    assert len(manifest.report.skipped) == 6


def test_a_view_that_occurs_twice_costs_its_sequence(home, painted, encoder):
    class Twice(ManifestReader):
        def sequences(self, split=None):
            for sequence in super().sequences(split):
                yield replace(sequence, views=(*sequence.views, sequence.views[0]))

    with pytest.raises(GalleryError, match="frame 0 shows instance 'thing0' twice"):
        build_index(home, "things", [Twice(painted)], encoder)


def test_nothing_usable_is_an_error_and_the_old_version_stays(build, home, paint_at, tmp_path):
    old = build()
    root = tmp_path / "all-broken"
    paint_at(root, sequences=1)
    for path in root.glob("*.png"):
        cut_off(path)
    with pytest.raises(GalleryError, match="No view could be used"):
        build(root=root)
    assert Gallery.open(home, "things").version == old.version


def test_changed_data_and_another_encoder_use_no_old_shards(build, home, painted, other_encoder):
    first = build()
    second = build_index(home, "things", [(painted, "manifest")], other_encoder)
    assert second.version != first.version
    assert second.manifest.heads["pose"].sha256 != first.manifest.heads["pose"].sha256
    assert second.manifest.metadata_sha256 == first.manifest.metadata_sha256


def test_the_same_sequence_from_two_sources_is_refused(home, painted, encoder):
    with pytest.raises(GalleryError, match="comes twice"):
        build_index(home, "things", [(painted, None), (painted, None)], encoder)


def test_other_data_under_a_name_in_use_is_refused(build, home, paint_at, rewrite, tmp_path):
    build("first")
    root = tmp_path / "changed" / "things"
    lines = paint_at(root)
    rewrite(root, [item | {"category": "other"} for item in lines])
    with pytest.raises(GalleryError, match="differs from the one that index 'first' holds"):
        build("second", root=root)
    # The same index may correct its own annotations.
    assert build("first", root=root).manifest.counts.categories == 1


def test_a_sequence_of_another_index_keeps_its_split(build, paint_at, rewrite, tmp_path):
    root = tmp_path / "a" / "things"
    lines = paint_at(root, sequences=1, frames=4)
    rewrite(root, lines[:2])
    build("first", root=root)
    rewrite(root, [item | {"split": "other"} for item in lines[2:]])
    with pytest.raises(GalleryError, match="differs from the one that index 'first' holds"):
        build("second", root=root)


def test_an_encoder_that_is_not_normalised_is_refused(home, painted, encoder):
    class Wrong:
        identity, heads, crop = encoder.identity, encoder.heads, encoder.crop

        def encode(self, crops, batch_size=64):
            return {head: rows * np.nan for head, rows in encoder.encode(crops).items()}

    with pytest.raises(EncoderError, match="of length nan"):
        build_index(home, "things", [(painted, None)], Wrong())


def test_impossible_names_and_options_are_refused(build):
    with pytest.raises(GalleryError, match="is not an index name"):
        build("../up")
    with pytest.raises(GalleryError, match="select no frames"):
        build(stride=0)
